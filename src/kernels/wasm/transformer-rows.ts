import type { WasmModule } from "./module.ts";
import {
  advance,
  countDown,
  forEachVector,
  horizontalMaximum,
  horizontalSum,
  replaceByExponential,
  replaceByLogarithm,
} from "./transformer-vector.ts";

/**
 * RMSNorm over rows of `width` f32, a multiple of 4. Exports
 * `{name}Forward(x, scale, y, inverse, rows)` which stores 1 / rms of every row, and
 * `{name}Backward(dy, x, scale, inverse, dx, dScale, rows)` which adds to dx and dScale.
 */
export function defineNorm(module: WasmModule, name: string, width: number, epsilon: number): void {
  const vectors = width / 4;
  const bytes = 4 * width;
  module.define(`${name}Forward`, ["i32", "i32", "i32", "i32", "i32"], [], (body) => {
    const [x, scale, y, inverse, rows] = body.parameters;
    const px = body.local("i32");
    const pg = body.local("i32");
    const counter = body.local("i32");
    const sum = body.local("v128");
    const factor = body.local("v128");
    const scalar = body.local("f32");
    countDown(body, rows!, () => {
      body.get(x!).set(px).f32x4(0).set(sum);
      forEachVector(body, vectors, [px], counter, (at) => {
        body.get(sum).get(px).memory("v128.load", at).get(px).memory("v128.load", at);
        body.op("f32x4.mul").op("f32x4.add").set(sum);
      });
      body.get(inverse!).f32(1);
      horizontalSum(body, sum);
      body
        .f32(1 / width)
        .op("f32.mul")
        .f32(epsilon)
        .op("f32.add")
        .op("f32.sqrt")
        .op("f32.div")
        .tee(scalar);
      body.memory("f32.store").get(scalar).op("f32x4.splat").set(factor);
      body.get(x!).set(px).get(scale!).set(pg);
      forEachVector(body, vectors, [px, pg, y!], counter, (at) => {
        body.get(y!).get(px).memory("v128.load", at).get(factor).op("f32x4.mul");
        body.get(pg).memory("v128.load", at).op("f32x4.mul").memory("v128.store", at);
      });
      advance(body, x!, bytes);
      advance(body, inverse!, 4);
    });
  });

  module.define(`${name}Backward`, ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (body) => {
    const [dy, x, scale, inverse, dx, dScale, rows] = body.parameters;
    const py = body.local("i32");
    const px = body.local("i32");
    const pg = body.local("i32");
    const pd = body.local("i32");
    const counter = body.local("i32");
    const sum = body.local("v128");
    const factor = body.local("v128");
    const pull = body.local("v128");
    const normed = body.local("v128");
    const scalar = body.local("f32");
    countDown(body, rows!, () => {
      body.get(dy!).set(py).get(x!).set(px).get(scale!).set(pg).f32x4(0).set(sum);
      forEachVector(body, vectors, [py, px, pg], counter, (at) => {
        body.get(sum).get(py).memory("v128.load", at).get(pg).memory("v128.load", at).op("f32x4.mul");
        body.get(px).memory("v128.load", at).op("f32x4.mul").op("f32x4.add").set(sum);
      });
      body.get(inverse!).memory("f32.load").tee(scalar).op("f32x4.splat").set(factor);
      horizontalSum(body, sum);
      // With n = x / rms: dx += (g dy - n (sum of g dy x) / (rms width)) / rms.
      body
        .get(scalar)
        .op("f32.mul")
        .f32(1 / width)
        .op("f32.mul")
        .op("f32x4.splat")
        .set(pull);
      body.get(dy!).set(py).get(x!).set(px).get(scale!).set(pg).get(dScale!).set(pd);
      forEachVector(body, vectors, [py, px, pg, pd, dx!], counter, (at) => {
        body.get(px).memory("v128.load", at).get(factor).op("f32x4.mul").set(normed);
        body.get(dx!).get(dx!).memory("v128.load", at);
        body.get(py).memory("v128.load", at).get(pg).memory("v128.load", at).op("f32x4.mul");
        body.get(normed).get(pull).op("f32x4.mul").op("f32x4.sub").get(factor).op("f32x4.mul");
        body.op("f32x4.add").memory("v128.store", at);
        body.get(pd).get(pd).memory("v128.load", at);
        body.get(py).memory("v128.load", at).get(normed).op("f32x4.mul").op("f32x4.add");
        body.memory("v128.store", at);
      });
      advance(body, dy!, bytes);
      advance(body, x!, bytes);
      advance(body, inverse!, 4);
    });
  });
}

/**
 * A bias on rows `stride` bytes apart, of which the first `vectors` f32x4 count. Exports
 * `biasForward(x, bias, rows, stride, vectors)`, in place, and `biasBackward(dy, dBias, rows, stride, vectors)`, which
 * adds the rows to dBias, one after another.
 */
export function defineBias(module: WasmModule): void {
  for (const forward of [true, false]) {
    const name = forward ? "biasForward" : "biasBackward";
    module.define(name, ["i32", "i32", "i32", "i32", "i32"], [], (body) => {
      const [x, bias, rows, stride, vectors] = body.parameters;
      const px = body.local("i32");
      const pb = body.local("i32");
      const counter = body.local("i32");
      const target = forward ? px : pb;
      countDown(body, rows!, () => {
        body.get(x!).set(px).get(bias!).set(pb).get(vectors!).set(counter);
        countDown(body, counter, () => {
          body.get(target).get(px).memory("v128.load").get(pb).memory("v128.load").op("f32x4.add");
          body.memory("v128.store");
          advance(body, px, 16);
          advance(body, pb, 16);
        });
        body.get(x!).get(stride!).op("i32.add").set(x!);
      });
    });
  }
}

/**
 * SwiGLU over rows that hold gate and up side by side, [rows x 2 feedForward]. Exports `swiGluForward(h, y, rows)` and
 * `swiGluBackward(h, dy, dh, rows)`.
 */
export function defineSwiGlu(module: WasmModule, feedForward: number): void {
  const vectors = feedForward / 4;
  const up = 4 * feedForward;
  module.define("swiGluForward", ["i32", "i32", "i32"], [], (body) => {
    const [h, y, rows] = body.parameters;
    const counter = body.local("i32");
    const gate = body.local("v128");
    const e = body.local("v128");
    countDown(body, rows!, () => {
      forEachVector(body, vectors, [h!, y!], counter, (at) => {
        body.get(h!).memory("v128.load", at).tee(gate).op("f32x4.neg").set(e);
        replaceByExponential(body, e);
        body.get(y!).get(gate).f32x4(1).get(e).op("f32x4.add").op("f32x4.div");
        body
          .get(h!)
          .memory("v128.load", at + up)
          .op("f32x4.mul")
          .memory("v128.store", at);
      });
      advance(body, h!, up);
    });
  });

  module.define("swiGluBackward", ["i32", "i32", "i32", "i32"], [], (body) => {
    const [h, dy, dh, rows] = body.parameters;
    const counter = body.local("i32");
    const gate = body.local("v128");
    const e = body.local("v128");
    const sigmoid = body.local("v128");
    const d = body.local("v128");
    countDown(body, rows!, () => {
      forEachVector(body, vectors, [h!, dy!, dh!], counter, (at) => {
        body.get(h!).memory("v128.load", at).tee(gate).op("f32x4.neg").set(e);
        replaceByExponential(body, e);
        body.f32x4(1).f32x4(1).get(e).op("f32x4.add").op("f32x4.div").set(sigmoid);
        body.get(dy!).memory("v128.load", at).set(d);
        // d gate = d up sigmoid (1 + gate (1 - sigmoid))
        body
          .get(dh!)
          .get(d)
          .get(h!)
          .memory("v128.load", at + up)
          .op("f32x4.mul");
        body.get(sigmoid).op("f32x4.mul");
        body.f32x4(1).get(gate).f32x4(1).get(sigmoid).op("f32x4.sub").op("f32x4.mul").op("f32x4.add");
        body.op("f32x4.mul").memory("v128.store", at);
        body.get(dh!).get(d).get(gate).get(sigmoid).op("f32x4.mul").op("f32x4.mul");
        body.memory("v128.store", at + up);
      });
      advance(body, h!, up);
      advance(body, dh!, up);
    });
  });
}

/** Padding columns of a row of logits: e^x is nothing beside any real logit, x e^x likewise. */
const absent = -1e9;

/**
 * Softmax over rows of `stride` f32 of which the first `columns` count; both in f32, stride a multiple of 4. Exports
 * `softmaxForward(logits, exponentials, statistics, rows, columns, stride)`: logits become l - max, exponentials e^(l - max),
 * statistics three f32 a row: max, sum of the exponentials, sum of exponential x (l - max); and
 * `softmaxBackward(shifted, exponentials, coefficients, rows, stride)`: shifted becomes
 * p (c0 + c1 (shifted + c2)) with p = exponential x c3, four coefficients a row.
 */
export function defineSoftmax(module: WasmModule): void {
  module.define("softmaxForward", ["i32", "i32", "i32", "i32", "i32", "i32"], [], (body) => {
    const [logits, exponentials, statistics, rows, columns, stride] = body.parameters;
    const p = body.local("i32");
    const vectors = body.local("i32");
    const counter = body.local("i32");
    const largest = body.local("v128");
    const sum = body.local("v128");
    const moment = body.local("v128");
    const shifted = body.local("v128");
    const e = body.local("v128");
    body.get(stride!).i32(2).op("i32.shr_u").set(vectors);
    countDown(body, rows!, () => {
      body.get(logits!).get(columns!).i32(2).op("i32.shl").op("i32.add").set(p);
      body.get(stride!).get(columns!).op("i32.sub").set(counter);
      countDown(body, counter, () => {
        body.get(p).f32(absent).memory("f32.store");
        advance(body, p, 4);
      });
      body.get(logits!).set(p).get(vectors).set(counter).f32x4(-3e38).set(largest);
      countDown(body, counter, () => {
        body.get(largest).get(p).memory("v128.load").op("f32x4.pmax").set(largest);
        advance(body, p, 16);
      });
      body.get(statistics!);
      horizontalMaximum(body, largest);
      body.memory("f32.store");
      body.get(statistics!).memory("f32.load").op("f32x4.splat").set(largest);
      body.f32x4(0).set(sum).f32x4(0).set(moment).get(vectors).set(counter);
      countDown(body, counter, () => {
        body.get(logits!).get(logits!).memory("v128.load").get(largest).op("f32x4.sub").tee(shifted);
        body.memory("v128.store").get(shifted).set(e);
        replaceByExponential(body, e);
        body.get(exponentials!).get(e).memory("v128.store");
        body.get(sum).get(e).op("f32x4.add").set(sum);
        body.get(moment).get(e).get(shifted).op("f32x4.mul").op("f32x4.add").set(moment);
        advance(body, logits!, 16);
        advance(body, exponentials!, 16);
      });
      body.get(statistics!);
      horizontalSum(body, sum);
      body.memory("f32.store", 4).get(statistics!);
      horizontalSum(body, moment);
      body.memory("f32.store", 8);
      advance(body, statistics!, 12);
    });
  });

  module.define("softmaxBackward", ["i32", "i32", "i32", "i32", "i32"], [], (body) => {
    const [shifted, exponentials, coefficients, rows, stride] = body.parameters;
    const counter = body.local("i32");
    const c = Array.from({ length: 4 }, () => body.local("v128"));
    countDown(body, rows!, () => {
      c.forEach((local, i) =>
        body
          .get(coefficients!)
          .memory("v128.load32_splat", 4 * i)
          .set(local),
      );
      body.get(stride!).i32(2).op("i32.shr_u").set(counter);
      countDown(body, counter, () => {
        body.get(shifted!).get(exponentials!).memory("v128.load").get(c[3]!).op("f32x4.mul");
        body.get(shifted!).memory("v128.load").get(c[2]!).op("f32x4.add").get(c[1]!).op("f32x4.mul");
        body.get(c[0]!).op("f32x4.add").op("f32x4.mul").memory("v128.store");
        advance(body, shifted!, 16);
        advance(body, exponentials!, 16);
      });
      advance(body, coefficients!, 16);
    });
  });
}

/**
 * Gumbel noise, the twin of `kernels/gumbel`: exports `gumbel(words, vectors)`, which turns 4 x `vectors` random words
 * into f32 noise in place.
 */
export function defineGumbel(module: WasmModule): void {
  module.define("gumbel", ["i32", "i32"], [], (body) => {
    const [words, vectors] = body.parameters;
    const x = body.local("v128");
    countDown(body, vectors!, () => {
      body.get(words!).memory("v128.load").i32(9).op("i32x4.shr_u").op("f32x4.convert_i32x4_s");
      body
        .f32x4(0.5)
        .op("f32x4.add")
        .f32x4(2 ** -23)
        .op("f32x4.mul")
        .set(x);
      for (let i = 0; i < 2; i++) {
        replaceByLogarithm(body, x);
        body.get(x).op("f32x4.neg").set(x);
      }
      body.get(words!).get(x).memory("v128.store");
      advance(body, words!, 16);
    });
  });
}
