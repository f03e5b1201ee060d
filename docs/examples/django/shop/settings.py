"""The settings: what concerns the tasks is at the end."""

from pathlib import Path

BASE_DIR = Path(__file__).parent.parent
SECRET_KEY = "an-example-has-no-secrets"  # noqa: S105
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "shop.urls"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "shop.sqlite3",
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = ["django_tasks", "runner.contrib.django", "shop"]

TASKS = {
    "default": {
        "BACKEND": "runner.contrib.django.backend.PipelineBackend",
        "QUEUES": ["default", "mail"],
    },
}
