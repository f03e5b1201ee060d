// BullMQ on Node.js.

import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { FlowProducer, Queue, Worker } from "bullmq";

const TASKS = 32;
const BULK = 1000;
const request = JSON.parse(process.argv[2]);
const channelIds = Array.from(
  { length: 100 },
  (_, n) => "UC" + createHash("sha256").update(Buffer.from([n])).digest("base64url").slice(0, 22),
);

function answer(fields) {
  writeFileSync(request.out + ".part", JSON.stringify(fields));
  renameSync(request.out + ".part", request.out);
}

function about() {
  const require = createRequire(import.meta.url);
  const version = (name) =>
    JSON.parse(readFileSync(require.resolve(`${name}/package.json`), "utf8")).version;
  answer({
    version: `bullmq ${version("bullmq")}, ioredis ${version("ioredis")}, node ${process.versions.node}`,
  });
}

function connection(extra) {
  const url = new URL(request.url);
  return { host: url.hostname, port: Number(url.port), ...extra };
}

const data = (position) => ({ channel_id: channelIds[position % 100], position });
// Its documentation advises removing finished jobs; the default keeps them for ever.
const plain = { removeOnComplete: true };
const options = (position) =>
  ({
    "": plain,
    unique: { ...plain, deduplication: { id: `touch-${position}` } },
    priority: { ...plain, priority: 1 },
  })[request.feature];

async function client(work) {
  const queue = new Queue("bench", { connection: connection() });
  await queue.waitUntilReady();
  const started = performance.now();
  await work(queue);
  answer({ jobs: request.jobs, seconds: (performance.now() - started) / 1000 });
  await queue.close();
}

async function enqueue(queue) {
  let next = 0;
  const oneByOne = async () => {
    for (let position = next++; position < request.jobs; position = next++) {
      await queue.add("touch", data(position), options(position));
    }
  };
  await Promise.all(Array.from({ length: TASKS }, oneByOne));
}

async function enqueueInBulk(queue) {
  for (let first = 0; first < request.jobs; first += BULK) {
    const count = Math.min(BULK, request.jobs - first);
    await queue.addBulk(
      Array.from({ length: count }, (_, n) => ({
        name: "touch",
        data: data(first + n),
        opts: options(first + n),
      })),
    );
  }
}

function drain() {
  let left = request.jobs;
  let first;
  let cpuBefore;
  new Worker(
    "bench",
    async () => {
      left -= 1;
      first ??= performance.now();
      cpuBefore ??= process.cpuUsage();
      if (left === 0) {
        const cpu = process.cpuUsage(cpuBefore);
        answer({
          jobs: request.jobs,
          seconds: (performance.now() - first) / 1000,
          cpu_s: (cpu.user + cpu.system) / 1e6,
        });
        process.exit(0);
      }
    },
    {
      connection: connection({ maxRetriesPerRequest: null }),
      concurrency: request.concurrency,
    },
  );
}

// One parent with many children, from the first call to the start of the parent.
async function flow() {
  const children = Array.from({ length: request.jobs }, (_, position) => ({
    name: "touch",
    queueName: "bench",
    data: data(position),
    opts: plain,
  }));
  const producer = new FlowProducer({ connection: connection() });
  await producer.client;
  const started = performance.now();
  await producer.add({ name: "parent", queueName: "parents", data: {}, opts: plain, children });
  await new Promise((resolve) => {
    const blocking = connection({ maxRetriesPerRequest: null });
    new Worker("parents", async () => resolve(), { connection: blocking });
    new Worker("bench", async () => {}, {
      connection: blocking,
      concurrency: request.concurrency,
    });
  });
  answer({ jobs: request.jobs, seconds: (performance.now() - started) / 1000 });
  process.exit(0);
}

switch (request.command) {
  case "about":
    about();
    break;
  case "drain":
    drain();
    break;
  case "flow":
    await flow();
    break;
  case "enqueue-bulk":
    await client(enqueueInBulk);
    break;
  default:
    await client(enqueue);
}
