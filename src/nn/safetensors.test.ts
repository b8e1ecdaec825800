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

test("BF16 is widened", () => {
  const header = new TextEncoder().encode('{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}');
  const file = new Uint8Array(8 + header.length + 4);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  file.set([0x80, 0x3f, 0x20, 0xc0], 8 + header.length);
  expect([...decodeTensors(file).tensors.get("w")!.data]).toEqual([1, -2.5]);
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
