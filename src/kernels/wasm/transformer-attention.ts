import type { FunctionBody, Local } from "./function-body.ts";
import type { WasmModule } from "./module.ts";
import type { TransformerDimensions } from "../transformer-places.ts";
import { advance, countDown, horizontalSum, replaceByExponential } from "./transformer-vector.ts";

/**
 * Rotary positions in place (rotate-half). Exports `rope(x, rows, stride, heads, positions, cosines, sines)`: x points at
 * the first head of the first row, rows are `stride` bytes apart, positions one i32 a row, the tables
 * [position x headSize / 2]. Negative sines turn back.
 */
export function defineRope(module: WasmModule, headSize: number): void {
  const half = headSize / 2;
  // Pairs are a vector apart only where half a head is whole vectors.
  const wide = half % 4 === 0;
  const step = wide ? 16 : 4;
  const type = wide ? "v128" : "f32";
  const [load, store] = wide ? (["v128.load", "v128.store"] as const) : (["f32.load", "f32.store"] as const);
  const [mul, add, sub] = wide
    ? (["f32x4.mul", "f32x4.add", "f32x4.sub"] as const)
    : (["f32.mul", "f32.add", "f32.sub"] as const);
  module.define("rope", ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (body) => {
    const [x, rows, stride, heads, positions, cosines, sines] = body.parameters;
    const px = body.local("i32");
    const offset = body.local("i32");
    const counter = body.local("i32");
    const cosine = body.local("i32");
    const sine = body.local("i32");
    const a = body.local(type);
    const b = body.local(type);
    countDown(body, rows!, () => {
      body
        .get(positions!)
        .memory("i32.load")
        .i32(4 * half)
        .op("i32.mul")
        .set(offset);
      body.get(cosines!).get(offset).op("i32.add").set(cosine);
      body.get(sines!).get(offset).op("i32.add").set(sine);
      body.get(x!).set(px).get(heads!).set(counter);
      countDown(body, counter, () => {
        for (let i = 0; i < 4 * half; i += step) {
          body
            .get(px)
            .memory(load, i)
            .set(a)
            .get(px)
            .memory(load, i + 4 * half)
            .set(b);
          body.get(px).get(a).get(cosine).memory(load, i).op(mul);
          body.get(b).get(sine).memory(load, i).op(mul).op(sub).memory(store, i);
          body.get(px).get(b).get(cosine).memory(load, i).op(mul);
          body
            .get(a)
            .get(sine)
            .memory(load, i)
            .op(mul)
            .op(add)
            .memory(store, i + 4 * half);
        }
        advance(body, px, 4 * headSize);
      });
      body.get(x!).get(stride!).op("i32.add").set(x!);
      advance(body, positions!, 4);
    });
  });
}

/**
 * Causal attention of rows over their own past. A row's past is a list of i32 slot numbers, itself last, so that rows
 * share the keys and values of a common prefix and a cache needs no order. Row r has its list's address at
 * paths[r] and its length at lengths[r]. Keys and values of slot s lie at keyValues + s x stride: all key heads, then
 * all value heads. Exports
 * `attentionForward(q, output, probabilities, keyValues, stride, paths, lengths, rows, pitch)`, probabilities
 * [rows x heads] blocks of `pitch` bytes, a multiple of 16, and
 * `attentionBackward(q, dOutput, probabilities, keyValues, stride, paths, lengths, rows, pitch, dq, dKeyValues, scratch,
 * groups)`, which writes dq, adds to dKeyValues (same stride), and overwrites `pitch` bytes of scratch a group. A group is
 * a key head with the heads that share it, the first at the addresses given: groups touch nothing of each other's.
 */
export function defineAttention(module: WasmModule, dimensions: TransformerDimensions): void {
  defineForward(module, dimensions);
  defineBackward(module, dimensions);
}

/** Per key of a row's past: `inside` with `slot` at its keys and `p` at its probability. Clobbers counter and list. */
function eachKey(
  body: FunctionBody,
  loop: {
    readonly list: Local;
    readonly count: Local;
    readonly counter: Local;
    readonly path: Local;
    readonly base: Local;
    readonly stride: Local;
    readonly slot: Local;
    readonly p: Local;
    readonly probabilities: Local;
  },
  inside: () => void,
): void {
  body.get(loop.path).set(loop.list).get(loop.count).set(loop.counter).get(loop.probabilities).set(loop.p);
  countDown(body, loop.counter, () => {
    body
      .get(loop.base)
      .get(loop.list)
      .memory("i32.load")
      .get(loop.stride)
      .op("i32.mul")
      .op("i32.add")
      .set(loop.slot);
    inside();
    advance(body, loop.list, 4);
    advance(body, loop.p, 4);
  });
}

/** Leaves sum over the head of x[v] y[slot + offset ...] as f32. Clobbers `product`. */
function dot(body: FunctionBody, x: readonly Local[], slot: Local, offset: number, product: Local): void {
  x.forEach((local, v) => {
    body
      .get(local)
      .get(slot)
      .memory("v128.load", offset + 16 * v)
      .op("f32x4.mul");
    if (v > 0) body.op("f32x4.add");
  });
  body.set(product);
  horizontalSum(body, product);
}

function defineForward(module: WasmModule, dimensions: TransformerDimensions): void {
  const { heads, keyValueHeads, headSize } = dimensions;
  const vectors = headSize / 4;
  const scale = Math.fround(1 / Math.sqrt(headSize));
  const parameters = Array.from({ length: 9 }, () => "i32" as const);
  module.define("attentionForward", parameters, [], (body) => {
    const [q, output, probabilities, base, stride, paths, lengths, rows, pitch] = body.parameters;
    const i32 = (): Local => body.local("i32");
    const [path, count, counter, list, slot, p] = [i32(), i32(), i32(), i32(), i32(), i32()];
    const query = Array.from({ length: vectors }, () => body.local("v128"));
    const product = body.local("v128");
    const largest = body.local("f32");
    const spread = body.local("v128");
    const sum = body.local("v128");
    const e = body.local("v128");
    const loop = {
      list,
      count,
      counter,
      path,
      base: base!,
      stride: stride!,
      slot,
      p,
      probabilities: probabilities!,
    };
    countDown(body, rows!, () => {
      body.get(paths!).memory("i32.load").set(path).get(lengths!).memory("i32.load").set(count);
      for (let h = 0; h < heads; h++) {
        const key = 4 * headSize * Math.floor((h * keyValueHeads) / heads);
        const value = key + 4 * headSize * keyValueHeads;
        const head = 4 * headSize * h;
        query.forEach((local, v) => {
          body
            .get(q!)
            .memory("v128.load", head + 16 * v)
            .f32x4(scale)
            .op("f32x4.mul")
            .set(local);
        });
        body.f32(-3e38).set(largest);
        eachKey(body, loop, () => {
          body.get(p);
          dot(body, query, slot, key, product);
          body.memory("f32.store");
          body.get(largest).get(p).memory("f32.load").op("f32.max").set(largest);
        });
        // The last vector's spare lanes become nothing.
        body.get(p).f32(-1e9).memory("f32.store").get(p).f32(-1e9).memory("f32.store", 4);
        body.get(p).f32(-1e9).memory("f32.store", 8);
        body.get(largest).op("f32x4.splat").set(spread).f32x4(0).set(sum).get(probabilities!).set(p);
        body.get(count).i32(3).op("i32.add").i32(2).op("i32.shr_u").set(counter);
        countDown(body, counter, () => {
          body.get(p).memory("v128.load").get(spread).op("f32x4.sub").set(e);
          replaceByExponential(body, e);
          body.get(p).get(e).memory("v128.store").get(sum).get(e).op("f32x4.add").set(sum);
          advance(body, p, 16);
        });
        body.f32(1);
        horizontalSum(body, sum);
        body.op("f32.div").op("f32x4.splat").set(spread);
        query.forEach((local) => body.f32x4(0).set(local));
        eachKey(body, loop, () => {
          body.get(p).get(spread).get(p).memory("v128.load32_splat").op("f32x4.mul").tee(e).extractLane(0);
          body.memory("f32.store");
          query.forEach((local, v) => {
            body
              .get(local)
              .get(e)
              .get(slot)
              .memory("v128.load", value + 16 * v);
            body.op("f32x4.mul").op("f32x4.add").set(local);
          });
        });
        query.forEach((local, v) =>
          body
            .get(output!)
            .get(local)
            .memory("v128.store", head + 16 * v),
        );
        body.get(probabilities!).get(pitch!).op("i32.add").set(probabilities!);
      }
      advance(body, q!, 4 * headSize * heads);
      advance(body, output!, 4 * headSize * heads);
      advance(body, paths!, 4);
      advance(body, lengths!, 4);
    });
  });
}

function defineBackward(module: WasmModule, dimensions: TransformerDimensions): void {
  const { heads, keyValueHeads, headSize } = dimensions;
  const vectors = headSize / 4;
  const scale = Math.fround(1 / Math.sqrt(headSize));
  const shared = heads / keyValueHeads;
  const value = 4 * headSize * keyValueHeads;
  const parameters = Array.from({ length: 13 }, () => "i32" as const);
  module.define("attentionBackward", parameters, [], (body) => {
    const [qs, dOutputs, weights, base, stride, everyPath, everyLength, rows, pitch, dqs, dBase, scratch] =
      body.parameters;
    const groups = body.parameters[12]!;
    const i32 = (): Local => body.local("i32");
    const [q, dOutput, probabilities, paths, lengths, dq, row] = [
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
    ];
    const v128 = (): Local => body.local("v128");
    const [path, count, counter, list, slot, p, target, d] = [
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
    ];
    const upstream = Array.from({ length: vectors }, v128);
    const sums = Array.from({ length: vectors }, v128);
    const product = v128();
    const weight = v128();
    const slope = v128();
    const mean = body.local("f32");
    const loop = { list, count, counter, path, base: base!, stride: stride!, slot, p, probabilities };
    countDown(body, groups, () => {
      body.get(qs!).set(q).get(dOutputs!).set(dOutput).get(dqs!).set(dq).get(weights!).set(probabilities);
      body.get(everyPath!).set(paths).get(everyLength!).set(lengths).get(rows!).set(row);
      countDown(body, row, () => {
        body.get(paths).memory("i32.load").set(path).get(lengths).memory("i32.load").set(count);
        for (let h = 0; h < shared; h++) eachHead(4 * headSize * h);
        body.get(probabilities).get(pitch!);
        body
          .i32(heads - shared)
          .op("i32.mul")
          .op("i32.add")
          .set(probabilities);
        for (const pointer of [q, dOutput, dq]) advance(body, pointer, 4 * headSize * heads);
        advance(body, paths, 4);
        advance(body, lengths, 4);
      });
      for (const pointer of [qs!, dOutputs!, dqs!]) advance(body, pointer, 4 * headSize * shared);
      for (const pointer of [base!, dBase!]) advance(body, pointer, 4 * headSize);
      body.get(weights!).get(pitch!).i32(shared).op("i32.mul").op("i32.add").set(weights!);
      body.get(scratch!).get(pitch!).op("i32.add").set(scratch!);
    });

    function eachHead(head: number): void {
      upstream.forEach((local, v) =>
        body
          .get(dOutput)
          .memory("v128.load", head + 16 * v)
          .set(local),
      );
      body.f32(0).set(mean).get(scratch!).set(d);
      eachKey(body, loop, () => {
        body.get(d);
        dot(body, upstream, slot, value, product);
        body.memory("f32.store");
        body
          .get(mean)
          .get(d)
          .memory("f32.load")
          .get(p)
          .memory("f32.load")
          .op("f32.mul")
          .op("f32.add")
          .set(mean);
        advance(body, d, 4);
      });
      sums.forEach((local) => body.f32x4(0).set(local));
      body.get(scratch!).set(d);
      eachKey(body, loop, () => {
        body.get(p).memory("v128.load32_splat").tee(weight);
        body.get(d).memory("f32.load").get(mean).op("f32.sub").f32(scale).op("f32.mul").op("f32x4.splat");
        body.op("f32x4.mul").set(slope);
        body.get(slot).get(base!).op("i32.sub").get(dBase!).op("i32.add").set(target);
        for (let v = 0; v < vectors; v++) {
          const u = value + 16 * v;
          body
            .get(sums[v]!)
            .get(slope)
            .get(slot)
            .memory("v128.load", 16 * v);
          body.op("f32x4.mul").op("f32x4.add").set(sums[v]!);
          body
            .get(target)
            .get(target)
            .memory("v128.load", 16 * v)
            .get(slope);
          body
            .get(q)
            .memory("v128.load", head + 16 * v)
            .op("f32x4.mul")
            .op("f32x4.add")
            .memory("v128.store", 16 * v);
          body.get(target).get(target).memory("v128.load", u).get(weight).get(upstream[v]!);
          body.op("f32x4.mul").op("f32x4.add").memory("v128.store", u);
        }
        advance(body, d, 4);
      });
      sums.forEach((local, v) =>
        body
          .get(dq)
          .get(local)
          .memory("v128.store", head + 16 * v),
      );
      body.get(probabilities).get(pitch!).op("i32.add").set(probabilities);
    }
  });
}
