// BullMQ on Redis: 100 jobs at once in each process, jobs and results kept. The commands are those of child.py.
const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");

const load = createRequire(path.join(process.env.BENCH_PACKAGES, "package.json"));
const { Queue, Worker } = load("bullmq");
const ioredis = load("ioredis");

const folder = process.env.BENCH_TICKS;
const CONCURRENCY = 100;
const GROUP = 500;

// CLOCK_MONOTONIC in seconds, as Python's time.monotonic().
const now = () => Number(process.hrtime.bigint()) / 1e9;
const connect = () => new (ioredis.Redis || ioredis)(process.env.BENCH_ADDRESS, { maxRetriesPerRequest: null });
const note = (name) => fs.writeFileSync(path.join(folder, name), String(now()));
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const makeOrder = (submittedAt) => ({ submitted_at: submittedAt, user: 12345, items: [1, 2, 3], note: "x".repeat(40) });

// The same two files as ticks.py: count and first start, and each wait.
const head = Buffer.alloc(16);
let counts, waits, count = 0;
function tick(submittedAt) {
  const at = now();
  if (counts === undefined) {
    counts = fs.openSync(path.join(folder, "ticks", `${process.pid}.ticks`), "w+");
    waits = fs.openSync(path.join(folder, "ticks", `${process.pid}.waits`), "a");
    head.writeDoubleLE(at, 8);
  }
  head.writeBigInt64LE(BigInt(++count), 0);
  fs.writeSync(counts, head, 0, 16, 0);
  if (submittedAt) {
    const wait = Buffer.alloc(8);
    wait.writeDoubleLE(at - submittedAt);
    fs.writeSync(waits, wait);
  }
}

async function submit(mode, jobs, clients, gap) {
  const queue = new Queue("bench", { connection: connect() });
  await queue.waitUntilReady();
  note("began");
  if (mode === "many") {
    for (let start = 0; start < jobs; start += GROUP) {
      const size = Math.min(GROUP, jobs - start);
      await queue.addBulk(Array.from({ length: size }, () => ({ name: "noop", data: makeOrder(0) })));
    }
  } else {
    let left = jobs;
    const client = async () => {
      while (left-- > 0) {
        await queue.add("noop", makeOrder(gap ? now() : 0));
        if (gap) await sleep(gap);
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
  }
  note("ended");
}

async function main() {
  const [command, mode, jobs, clients, gap] = process.argv.slice(2);
  if (command === "submit") await submit(mode, Number(jobs), Number(clients), Number(gap));
  if (command === "work") {
    const handler = async (job) => { tick(job.data.submitted_at); return 1; };
    new Worker("bench", handler, { connection: connect(), concurrency: CONCURRENCY });
    return;
  }
  process.exit(0);
}

main();
