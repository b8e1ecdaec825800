import { afterEach, expect, test } from "vitest";
import { environmentOfHost, hostEnvironment, type HostBatch } from "../env/host-environment.ts";
import { environmentsOver, serveEnvironments, type AskedOfHost } from "./environment-port.ts";

const clock = {
  setTimeout: (run: () => void, milliseconds: number): unknown => setTimeout(run, milliseconds),
  clearTimeout: (timer: unknown): void => {
    clearTimeout(timer as NodeJS.Timeout);
  },
};
let channel: MessageChannel;
afterEach(() => {
  channel.port1.close();
});

const counter = (limit = Infinity) =>
  hostEnvironment({
    name: "Counter",
    observations: ["count"],
    actions: 2,
    create: () => {
      let count = 0;
      return {
        reset: () => [(count = 0)],
        step: (action) => {
          count += action;
          if (count > limit) throw new RangeError("too far");
          return { observation: [count], reward: action, terminated: count === 3 };
        },
      };
    },
  });

const begin: HostBatch = {
  indices: Int32Array.of(0, 1),
  actions: null,
  truncated: new Uint8Array(2),
  words: new Uint32Array(8),
};
const step: HostBatch = { ...begin, actions: Float32Array.of(1, 0) };

test("environments are stepped over a port, each run's apart, and an error crosses it", async () => {
  const { reference } = counter(2);
  const open = () => {
    channel = new MessageChannel();
    const { port2 } = channel;
    serveEnvironments({
      answer: (message) => {
        port2.postMessage(message);
      },
      listen: (receive) => {
        port2.onmessage = ({ data }: MessageEvent<AskedOfHost>) => {
          receive(data);
        };
      },
    });
    return environmentsOver(channel.port1, reference!, { clock });
  };
  const [first, second] = [open(), open()];
  await first.run(begin);
  await second.run(begin);
  await first.run(step);
  expect((await first.run(step)).observations).toEqual(Float32Array.of(2, 0));
  expect((await second.run(step)).observations).toEqual(Float32Array.of(1, 0));
  expect((await first.run(step).catch((error: unknown) => error)) as Error).toMatchObject({
    code: "env/host",
    message:
      'step(1) of environment 0 of "Counter" failed, step 3 of its episode, after observing count 2. RangeError: too far.',
  });
});

test("an environment that never answers is named; so is one that answers nonsense, or is gone", async () => {
  const { reference } = counter();
  const open = (answer: (request: number) => unknown) => {
    channel = new MessageChannel();
    const { port1, port2 } = channel;
    port2.onmessage = ({ data }: MessageEvent<AskedOfHost>) => {
      const message = answer(data.request);
      if (message === "gone") port2.close();
      else if (message !== null) port2.postMessage(message);
    };
    const options = { clock, limit: 50 };
    return environmentsOver(port1, reference!, options);
  };
  const failure = async (answer: (request: number) => unknown) =>
    (await open(answer)
      .run(step)
      .catch((error: unknown) => error)) as Error;
  expect((await failure(() => null)).message).toBe(
    'The environment "Counter" did not return from step() within 0.05 s (a batch of 2).',
  );
  const { observationSize: size } = environmentOfHost(reference!);
  const good = {
    ...{ observations: new Float32Array(2 * size), rewards: new Float32Array(2) },
    ...{ terminated: new Uint8Array(2), starts: new Float32Array(2 * size), masks: new Uint32Array() },
  };
  const nonsense: unknown[] = [
    ...[{}, { observations: 1 }, { ...good, rewards: Float32Array.of(1, NaN) }],
    ...[
      { ...good, starts: new Float32Array(3) },
      { ...good, masks: Uint32Array.of(1, 1) },
      { ...good, terminated: [0, 0] },
    ],
  ];
  for (const reply of nonsense) {
    expect((await failure((request) => ({ request, reply }))).message).toMatch(
      /answered with something else/,
    );
  }
  expect((await failure(() => ({ request: 99, reply: good }))).message).toMatch(/something else/);
  expect((await failure(() => "gone")).message).toMatch(/is gone/);
  expect(await open((request) => ({ request, reply: good })).run(step)).toEqual(good);
});
