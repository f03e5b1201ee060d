"""Shapes in which secrets stand in texts and values; S3cr-T.Canary is the secret in each."""

from __future__ import annotations

from typing import Any

CANARY = "S3cr-T.Canary9"

TEXTS = f"""
redis://:{CANARY}@cache:6379/0
redis://me:{CANARY}@cache:6379/0
postgresql://me@corp.example:{CANARY}@db/x
postgresql+asyncpg://me:{CANARY}@db:5432/x?ssl=1
amqp://me:pa@{CANARY}@mq
rediss:/:{CANARY}@h
redis://me:{CANARY}#1@cache
redis://:p#{CANARY}@cache
redis://:p/{CANARY}@cache
redis://:p?{CANARY}@cache
redis://[::1]:{CANARY}@cache
jdbc:oracle:thin:scott/{CANARY}@db.example
login failed for user bob with password {CANARY}
machine h.example login bob password {CANARY}
set password for bob to {CANARY}
[password] {CANARY}
password\\u003d{CANARY}
token → {CANARY}
密码\uff1a{CANARY}
mot de passe : {CANARY}
hmac={CANARY}
-u admin:{CANARY}
HTTPBasicAuth('bob', '{CANARY}')
https://{CANARY}@git.example/x.git
connect to me:{CANARY}@db.example failed
connect to me@corp.example:{CANARY}@db.example failed
https://api.example/v1?token={CANARY}
https://api.example/v1?a=1&access_token={CANARY}&b=2
https://api.example/v1?api_key={CANARY}#x
https://maps.example/v1?key={CANARY}
https://x.example/?X-Amz-Signature={CANARY}
https://x.example/?sig={CANARY}
https%3A%2F%2Fx.example%2F%3Ftoken%3D{CANARY}
password={CANARY}
password = {CANARY}
password: {CANARY}
PASSWORD={CANARY}
db_password='{CANARY}'
DB_PASS={CANARY}
pass: {CANARY}
passwd => {CANARY}
pwd={CANARY};
Server=db;User Id=me;Pwd={CANARY};
host=db user=me password={CANARY} dbname=x
AccountKey={CANARY};EndpointSuffix=core
jwt={CANARY}
encryption_key={CANARY}
encryptionKey: {CANARY}
SIGNING_KEY={CANARY}
aws_secret_access_key = {CANARY}
client_secret={CANARY}
refreshToken: {CANARY}
csrf_token={CANARY}
sessionid={CANARY}
otp={CANARY}
passphrase = "{CANARY} two words"
password="two words {CANARY} and more"
config['password'] = '{CANARY}'
{{'password': '{CANARY}'}}
{{"password": "{CANARY}"}}
{{"a": {{"db_password": "x\\"{CANARY}"}}}}
{{"body": "{{\\"password\\": \\"{CANARY}\\"}}"}}
{{\\\\\\"token\\\\\\": \\\\\\"{CANARY}\\\\\\"}}
{{b'authorization': b'{CANARY}'}}
('password', '{CANARY}')
[("x-api-key", "{CANARY}")]
['user', 'password', '{CANARY}']
[b'authorization', b'{CANARY}']
Login(user='me', password='{CANARY}')
Login(user='me', password=Password(value='{CANARY}'))
passwords=['a', '{CANARY}']
Authorization: Bearer {CANARY}
Authorization: Basic {CANARY}
authorization: Digest username="me", response="{CANARY}"
Proxy-Authorization: Basic {CANARY}
Bearer {CANARY}
the header was 'Bearer {CANARY}'
X-Api-Key: {CANARY}
X-Auth-Token: {CANARY}
Cookie: a=b; session={CANARY}; c=d
Set-Cookie: id={CANARY}; HttpOnly
curl -H 'X-Api-Key: {CANARY}' https://x
curl -u me:{CANARY} https://x
mysql --password {CANARY} --host db
mysql --password={CANARY}
sshpass -p {CANARY} ssh me@h
AUTH {CANARY}
AUTH me {CANARY}
CONFIG SET requirepass {CANARY}
sshpass -p{CANARY} ssh me@h
mysql -u root -p{CANARY} shop
mysqldump -p'{CANARY}' shop > out.sql
sudo mariadb-admin -h db -P 3306 -p{CANARY} status
redis-cli -h cache -a {CANARY} ping
mongosh -u me -p {CANARY} db
docker login -u me -p {CANARY} registry.example
sqlcmd -S db -U sa -P {CANARY}
ldapsearch -D cn=me -w {CANARY}
unzip -P {CANARY} a.zip
7z x -p{CANARY} a.7z
smbclient //h/s -U me%{CANARY}
wget --http-password {CANARY} https://x
openssl rsa -passin pass:{CANARY} -in key.pem
basic auth me:{CANARY}
Basic auth with me:{CANARY} was refused
using basic-auth credentials me:{CANARY}
HTTP basic authentication: me:{CANARY}
passwd({CANARY})
set_password({CANARY})
token({CANARY}) was refused
password: !vault {CANARY}
password: !!str {CANARY}
db_password: !Sub '{CANARY}'
password: &anchor {CANARY}
CREATE USER me IDENTIFIED BY '{CANARY}'
ALTER ROLE me PASSWORD '{CANARY}'
<password>{CANARY}</password>
<a:Token x="1">{CANARY}</a:Token>
<input name="password" value="{CANARY}">
{{"name": "DB_PASSWORD", "value": "{CANARY}"}}
{{'name': 'X-Api-Key', 'value': '{CANARY}'}}
env DB_PASSWORD={CANARY} ./run
export TOKEN={CANARY}
token-for-x -> {CANARY}
failed with pin: {CANARY}, and more
the webhook_url={CANARY}
connection_string={CANARY}
credentials: {CANARY}
signature={CANARY}
card_number={CANARY}
PGPASSWORD={CANARY} psql
%22password%22%3A%22{CANARY}%22
password%5B%5D={CANARY}
user%5Bpassword%5D={CANARY}
user[password]={CANARY}
password|{CANARY}
password\t{CANARY}
Password is: {CANARY}
the password is '{CANARY}'
token '{CANARY}' is invalid
set_password("{CANARY}")
\\x22password\\x22:\\x22{CANARY}\\x22
\\u0022password\\u0022:\\u0022{CANARY}\\u0022
&quot;password&quot;:&quot;{CANARY}&quot;
jdbc:postgresql://h/db?user=me&password={CANARY}
Endpoint=sb://x/;SharedAccessKeyName=k;SharedAccessKey={CANARY}
smtp://me%40corp:{CANARY}@mail
<add key="password" value="{CANARY}"/>
tgram://110201543:{CANARY}/12345678
pover://user@{CANARY}/device
slack://T1JJ3T3L2/{CANARY}/XTsG5zCmV
discord://4174216298/{CANARY}?avatar=no
curl https://x.example/?session={CANARY}42
the password is {CANARY}, he said
your passphrase was {CANARY}
the token is {CANARY}
:password => "{CANARY}"
""".strip().split("\n")

BY_THEMSELVES = (
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    "glpat-20CharactersLongXXX",
    "xoxb-123456789012-abcdefghijkl",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf",
    "AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe",
    "ya29.a0AfH6SMBx1234567890",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "hf_abcdefghijklmnopqrstuvwxyz",
    "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nx\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA",
)

VALUES: list[dict[str, Any]] = [
    {"jwt": CANARY},
    {"pass": CANARY},
    {"encryption_key": CANARY},
    {"b": {b"password": CANARY}},
    {"pairs": [["password", CANARY]]},
    {"pairs": [("authorization", CANARY), ("x", 1)]},
    {"argv": ["mysql", "--password", CANARY]},
    {"argv": ["mysql", f"--password={CANARY}"]},
    {"env": [{"name": "DB_PASSWORD", "value": CANARY}]},
    {"headers": [f"Authorization: Bearer {CANARY}"]},
    {"headers": {"X-Auth": CANARY, "Cookie": CANARY}},
    {"text": f'{{"token": "{CANARY}"}}'},
    {"url": f"https://x/?token={CANARY}"},
    {f"https://x/?token={CANARY}": 1},
    {"text": f"password: |\n  a line\n  {CANARY}\nuser: me"},
    {"text": f"password: !vault >-\n  {CANARY}"},
    {"text": f"Command '['mysql', '-p{CANARY}']' returned 1"},
    {"pin": [CANARY]},
    {"error": f"Bearer {CANARY}"},
]

HARMLESS = """
    check_password(user, attempt)
the password() of it
ssh -p 2222 me@h
mkdir -p /srv/app/data
docker run -p 8080:80 web
ps -p 4711
basic authentication is on
basic auth failed: 401
cp -a one two
curl -a x https://x
https://www.youtube.com/@handle/videos
https://example.org:8443/path/@handle
channel UC123 was not found, 12 of 15 read: try again later
mailto:ana@example.org
12:30:15@example
KeyError: 'token'
File "/app/jobs/sync.py", line 12, in token
author: Ana, authority=3, pinned: 2, passed=7, key: abc, primary_key=5
ValueError: could not convert string to float: 'abc'
https://example.org/watch?v=abc&list=PL1
password=None
the password is wrong, and the token was refused: a secret is needed
session=3, and the password is required for user 12
password authentication failed for user bob, token expired at 2026-11-30: see the password policy
python3 -u script.py: 3 → 4, mot de passe oublié, password (8 characters)
a session lasts 12 hours; the password is checked 3 times
2026-01-31 12:00:00+00:00
job_id=abc attempt=1 queue=default
""".strip().split("\n")
