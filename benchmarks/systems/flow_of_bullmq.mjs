// A flow of BullMQ: one parent with many children, from the first call to the start of the parent.

import { FlowProducer, Worker } from "bullmq";
import IORedis from "ioredis";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const opts = { removeOnComplete: true };

const children = Array.from({ length: count }, (_, position) => ({
  name: "touch",
  queueName: "bench",
  data: { channel_id: "UC", position },
  opts,
}));
const flow = new FlowProducer({ connection });
const redis = new IORedis(connection);
const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info("memory"))[1]);
await flow.client;

const empty = await used();
const started = performance.now();
await flow.add({ name: "parent", queueName: "parents", data: {}, opts, children });
const bytes = (await used()) - empty;
await new Promise((resolve) => {
  new Worker("parents", async () => resolve(), { connection });
  new Worker("bench", async () => {}, { connection, concurrency: 32 });
});
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, bytes }));
process.exit(0);
