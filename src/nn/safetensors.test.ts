import { expect, test } from "vitest";
import { decodeTensors, encodeTensors, type Tensor } from "./safetensors.ts";

const tensors = new Map<string, Tensor>([
  ["weight", { shape: [2, 3], data: Float32Array.of(1, -2.5, 3e-38, 0, -0, 6) }],
  ["steps", { shape: [2], data: Uint32Array.of(7, 0xffffffff) }],
  ["empty", { shape: [0], data: new Float32Array(0) }],
]);

test("what is written is read again, bit for bit", () => {
  const file = encodeTensors({ tensors, metadata: { note: "é" } });
  const read = decodeTensors(file);
  expect(read.metadata).toEqual({ note: "é" });
  expect([...read.tensors]).toEqual([...tensors]);
  expect(Object.is(read.tensors.get("weight")!.data[4], -0)).toBe(true);
});

test("the layout is the format's", () => {
  const file = encodeTensors({ tensors, metadata: {} });
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  expect(length % 8).toBe(0);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as object;
  expect(header).toMatchObject({
    weight: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
    steps: { dtype: "U32", shape: [2], data_offsets: [24, 32] },
  });
  expect(new DataView(file.buffer).getFloat32(8 + length + 4, true)).toBe(-2.5);
  // Read from the middle of a larger buffer too.
  const shifted = new Uint8Array(file.length + 3);
  shifted.set(file, 3);
  expect([...decodeTensors(shifted.subarray(3)).tensors]).toEqual([...tensors]);
});

test("every bfloat16 and binary16 survives, and what lies between goes to the nearest, ties to even", () => {
  for (const [type, bitsOfOne] of [
    ["BF16", 7],
    ["F16", 10],
  ] as const) {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const header = `{"w":{"dtype":"${type}","shape":[65536],"data_offsets":[0,131072]}}`;
    const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
    const file = new Uint8Array(8 + text.length + 131072);
    new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
    file.set(text, 8);
    file.set(new Uint8Array(bits.buffer), 8 + text.length);
    const { data } = decodeTensors(file).tensors.get("w")!;
    const step = 2 ** -bitsOfOne;
    const between = Float32Array.of(1 + step / 2, 1 + 1.5 * step, 1 + 0.51 * step, -1 - 0.49 * step);
    const values = new Float32Array(65540);
    values.set(data);
    values.set(between, 65536);
    const narrow = new Map<string, Tensor>([["w", { shape: [65540], data: values, type }]]);
    const again = encodeTensors({ tensors: narrow, metadata: {} });
    expect(again.length % 8).toBe(0);
    const stored = new Uint16Array(again.buffer, again.length - 2 * 65540);
    // NaN comes back as some NaN of the same sign.
    const wrong = bits.filter((i) => stored[i] !== i && !Number.isNaN(data[i]!));
    expect([...wrong]).toEqual([]);
    const { data: rounded } = decodeTensors(again).tensors.get("w")!;
    expect([...rounded.subarray(65536)]).toEqual([1, 1 + 2 * step, 1 + step, -1]);
    expect(rounded.filter(Number.isNaN).length).toBe(data.filter(Number.isNaN).length);
  }
  const known = { BF16: [0x3f80, 0xc020, 0x7f80], F16: [0x3c00, 0xc100, 0x0001] };
  const values = { BF16: [1, -2.5, Infinity], F16: [1, -2.5, 2 ** -24] };
  for (const type of ["BF16", "F16"] as const) {
    const tensor = { shape: [3], data: Float32Array.from(values[type]), type };
    const file = encodeTensors({ tensors: new Map([["w", tensor]]), metadata: {} });
    expect([...new Uint16Array(file.buffer.slice(file.length - 6))]).toEqual(known[type]);
  }
});

test.each<[string, (file: Uint8Array) => Uint8Array]>([
  ["nothing", () => new Uint8Array(3)],
  ["a text", () => new TextEncoder().encode("not a tensor in sight")],
  ["a file cut off", (file) => file.subarray(0, file.length - 1)],
  [
    "another shape",
    (file) => new TextEncoder().encode(new TextDecoder("latin1").decode(file).replace("[2,3]", "[2,4]")),
  ],
])("%s is an error", (_, spoil) => {
  const plain = new Map<string, Tensor>([["weight", { shape: [2, 3], data: new Float32Array(6) }]]);
  expect(() => decodeTensors(spoil(encodeTensors({ tensors: plain, metadata: {} })))).toThrow(
    expect.objectContaining({ code: "nn/safetensors" }),
  );
});
