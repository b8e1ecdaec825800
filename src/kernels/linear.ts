import forward from "../../shaders/matmul/linear.wgsl?raw";
import inputGradient from "../../shaders/matmul/linear_input_gradient.wgsl?raw";
import weightGradient from "../../shaders/matmul/linear_weight_gradient.wgsl?raw";
import { lowRankConstants, type LowRankGroup } from "./low-rank.ts";
import { namedKernel, type NamedKernel } from "./named-kernel.ts";

/** A weight [outputs x inputs] in the arena; offsets in floats, multiples of 4. `inputs` is a multiple of 4. */
export interface LinearPlace {
  readonly weight: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Scale of the RMS norm in front of it, or null. */
  readonly gain: number | null;
  /** Outputs of the whole matrix, where `outputs` of them are one chunk, which `batch.chunk` says where it begins. */
  readonly total?: number;
}

/** The first `outputs` of a matrix's outputs, or all where there are no more. */
export const chunkOf = (place: LinearPlace, outputs: number): LinearPlace =>
  outputs < place.outputs ? { ...place, outputs, total: place.outputs } : place;

const chunkConstants = ({ total }: LinearPlace): Record<string, number | boolean> => ({
  CHUNKED: total !== undefined,
  TOTAL: total ?? 0,
});

/** Register tile: rows, and columns at most (8, 16 or 32); narrower where the matrix does not divide. */
export interface LinearTile {
  readonly rows: number;
  readonly columns: number;
}

/** vec4s of a tile's side: the largest power of two within the tile that divides `width`. */
function vectorsWithin(width: number, columns: number): number {
  let vectors = columns / 4;
  while (vectors > 1 && width % (4 * vectors) !== 0) vectors /= 2;
  return vectors;
}

/** Threads of a workgroup in the variant that stages its tiles in workgroup memory: eight by eight. */
const TILED_WORKGROUP = 64;
const TILED_SIDE = 8;

/** Quads take four tiles of rows at once, workgroups eight of rows by eight of columns. */
const threadsOf = (
  tiles: number,
  rows: number,
  { quads = false, tiled = false }: LinearSharing,
): { readonly tiles: number; readonly rows: number } =>
  tiled
    ? { tiles: TILED_WORKGROUP * Math.ceil(tiles / TILED_SIDE), rows: TILED_SIDE * rows }
    : quads
      ? { tiles: 4 * tiles, rows: 4 * rows }
      : { tiles, rows };

/**
 * Who shares what it loads: nobody (registers, without barriers), four lanes ("quads": needs subgroups of at least
 * four), or a workgroup of 64 through its memory ("tiled", which goes before). The bits are the same.
 */
export interface LinearSharing {
  readonly quads?: boolean;
  readonly tiled?: boolean;
}

const tiledKernel = (kernel: NamedKernel, tiled: boolean): NamedKernel =>
  tiled ? { ...kernel, workgroup: TILED_WORKGROUP } : kernel;

/** What becomes of a row of y. */
export type LinearEnd =
  | { readonly kind: "store" }
  /** Adds another buffer's row, or the output's own where `inPlace`. */
  | { readonly kind: "residual"; readonly inPlace: boolean }
  /** Rotary positions on the first `rotated` columns; with a cache, queries are stored and the rest is cached. */
  | {
      readonly kind: "rope";
      readonly headSize: number;
      readonly rotated: number;
      readonly queryWidth: number;
      readonly cache: boolean;
    }
  /** silu of the first half of the outputs times the second half. */
  | { readonly kind: "swiglu" };

/** Columns a row of y takes in memory: a multiple of the tile's. */
export const paddedOutputs = (outputs: number): number => Math.ceil(outputs / 8) * 8;

/**
 * y = x W^T. `save` keeps what the backward pass needs (1 / rms, gate and up); `gather` reads the rows that the
 * predictions name. Thread per tile: `tiles` threads for every `rows` rows.
 */
export function linearKernel(
  place: LinearPlace,
  end: LinearEnd,
  options: {
    readonly tile: LinearTile;
    readonly epsilon: number;
    readonly save: boolean;
    readonly gather: boolean;
    /** Low-rank changes, whose A x is there already. */
    readonly adapter?: LowRankGroup | null;
  } & LinearSharing,
): { readonly kernel: NamedKernel; readonly tiles: number; readonly rows: number } {
  const { tile, save, gather, epsilon, tiled = false, adapter = null } = options;
  const outputWidth = end.kind === "store" ? paddedOutputs(place.outputs) : place.outputs;
  const group = end.kind === "rope" ? end.headSize / 2 : end.kind === "swiglu" ? place.outputs / 2 : null;
  const side = group ?? outputWidth / 2;
  const wide = side % 4 === 0;
  const half = wide ? Math.min(8, 4 * vectorsWithin(side, tile.columns / 2)) : 2;
  const norm = place.gain !== null;
  const tiles = outputWidth / (2 * half);
  const cache = end.kind === "rope" && end.cache;
  const quads = options.quads === true && half % 4 === 0 && !tiled;
  const kernel = namedKernel(
    "matmul/linear",
    forward,
    {
      parameters: "read",
      input: "read",
      output: "write",
      predictions: gather && "read",
      inverses: norm && save && "write",
      tokens: end.kind === "rope" && "read",
      rotations: end.kind === "rope" && "read",
      cache: cache && "write",
      gate: end.kind === "swiglu" && save && "write",
      residual: end.kind === "residual" && !end.inPlace && "read",
      adapters: adapter !== null && "read",
      low: adapter !== null && "read",
    },
    {
      ...lowRankConstants(adapter),
      INPUTS: place.inputs / 4,
      WEIGHT: place.weight / 4,
      GAIN: (place.gain ?? 0) / 4,
      EPSILON: epsilon.toExponential(),
      OUTPUT_WIDTH: outputWidth,
      COLUMN_TILES: tiles,
      TILE_ROWS: tile.rows,
      QUADS: quads,
      TILED: tiled,
      HALF_QUADS: Math.floor(half / 4),
      HALF: half,
      GROUP: group ?? half,
      WIDE: wide,
      DOUBLE: half === 8,
      SPANS: half === 8 ? 2 : 1,
      NORM: norm,
      GATHER: gather,
      SAVE_INVERSE: norm && save,
      ROPE: end.kind === "rope",
      ROTATED: end.kind === "rope" ? end.rotated : 0,
      QUERY_WIDTH: end.kind === "rope" ? end.queryWidth : 0,
      CACHE: cache,
      CACHE_WIDTH: end.kind === "rope" ? place.outputs - end.queryWidth : 0,
      SWIGLU: end.kind === "swiglu",
      SAVE_GATE: end.kind === "swiglu" && save,
      RESIDUAL: end.kind === "residual" && !end.inPlace,
      IN_PLACE: end.kind === "residual" && end.inPlace,
    },
  );
  return { kernel: tiledKernel(kernel, tiled), ...threadsOf(tiles, tile.rows, { quads, tiled }) };
}

/** What becomes of a row of dx. */
export type LinearGradientEnd =
  | { readonly kind: "store" }
  /** On through the norm in front, with `count` partial sums of a row from `offset` on. */
  | {
      readonly kind: "norm";
      readonly projections: { readonly count: number; readonly stride: number; readonly offset: number };
      readonly accumulate: boolean;
    }
  /** On through the SwiGLU below, whose products are this weight's inputs. */
  | { readonly kind: "swiglu" };

/** dx = dy W. Thread per tile; "swiglu" leaves `partialSums` a row. */
export function linearInputGradientKernel(
  place: LinearPlace,
  end: LinearGradientEnd,
  options: {
    readonly tile: LinearTile;
    readonly gather: boolean;
    /** Low-rank changes; the gradient of their A x is there already. */
    readonly adapter?: LowRankGroup | null;
  } & LinearSharing,
): {
  readonly kernel: NamedKernel;
  readonly tiles: number;
  readonly rows: number;
  readonly partialSums: number;
} {
  const { tile, gather, tiled = false, adapter = null } = options;
  const quads = options.quads === true && !tiled;
  const vectors = vectorsWithin(place.inputs, tile.columns);
  const tiles = place.inputs / 4 / vectors;
  const kernel = namedKernel(
    "matmul/linear_input_gradient",
    inputGradient,
    {
      parameters: "read",
      gradient: "read",
      gate: end.kind === "swiglu" && "write",
      output: end.kind !== "swiglu" && "write",
      input: end.kind === "norm" && "read",
      inverses: end.kind === "norm" && "read",
      projections: end.kind === "norm" ? "read" : end.kind === "swiglu" && "write",
      predictions: gather && "read",
      adapters: adapter !== null && "read",
      lowGradient: adapter !== null && "read",
    },
    {
      ...lowRankConstants(adapter),
      INPUTS: place.inputs / 4,
      OUTPUTS: (gather ? paddedOutputs(place.outputs) : place.outputs) / 4,
      WEIGHT: place.weight / 4,
      GAIN: (place.gain ?? 0) / 4,
      COLUMN_TILES: tiles,
      TILE_ROWS: tile.rows,
      TILE_VECTORS: vectors,
      PROJECTIONS: end.kind === "norm" ? end.projections.count : 0,
      PROJECTION_STRIDE: end.kind === "norm" ? end.projections.stride : 0,
      PROJECTION_OFFSET: end.kind === "norm" ? end.projections.offset : 0,
      NORM: end.kind === "norm",
      ACCUMULATE: end.kind === "norm" && end.accumulate,
      ...chunkConstants(place),
      SWIGLU: end.kind === "swiglu",
      GATHER: gather,
      QUADS: quads,
      TILED: tiled,
    },
  );
  const threads = threadsOf(tiles, tile.rows, { quads, tiled });
  return { kernel: tiledKernel(kernel, tiled), ...threads, partialSums: tiles };
}

/** dW = dy^T x as `splits` partial sums at `partial` of arenas of `partialLength`. Thread per tile: `tiles` in all. */
export function linearWeightGradientKernel(
  place: LinearPlace,
  options: {
    readonly tile: LinearTile;
    readonly splits: number;
    readonly partial: number;
    readonly partialLength: number;
    readonly gather: boolean;
  } & LinearSharing,
): { readonly kernel: NamedKernel; readonly tiles: number } {
  const { tile, splits, partial, partialLength, gather, tiled = false } = options;
  const vectors = vectorsWithin(place.inputs, tile.columns);
  const outputWidth = gather ? paddedOutputs(place.outputs) : place.outputs;
  const outputVectors = vectorsWithin(outputWidth, tile.rows);
  const columnTiles = place.inputs / 4 / vectors;
  const quads = options.quads === true && vectors === 4 && !tiled;
  const outputTiles = Math.ceil(place.outputs / (4 * outputVectors));
  const kernel = namedKernel(
    "matmul/linear_weight_gradient",
    weightGradient,
    {
      gradient: "read",
      input: "read",
      partials: "write",
      inverses: place.gain !== null && "read",
      predictions: gather && "read",
    },
    {
      INPUTS: place.inputs / 4,
      OUTPUTS: place.outputs,
      OUTPUT_WIDTH: outputWidth,
      WEIGHT: partial / 4,
      PARTIAL_LENGTH: partialLength / 4,
      COLUMN_TILES: columnTiles,
      TILE_OUTPUTS: 4 * outputVectors,
      OUTPUT_VECTORS: outputVectors,
      TILE_VECTORS: vectors,
      SPLITS: splits,
      ...chunkConstants(place),
      NORM: place.gain !== null,
      GATHER: gather,
      QUADS: quads,
      TILED: tiled,
    },
  );
  const blocks = Math.ceil(columnTiles / TILED_SIDE) * Math.ceil(outputTiles / TILED_SIDE);
  const threads = tiled
    ? TILED_WORKGROUP * blocks
    : columnTiles * (quads ? 4 * Math.ceil(outputTiles / 4) : outputTiles);
  return { kernel: tiledKernel(kernel, tiled), tiles: threads * splits };
}
