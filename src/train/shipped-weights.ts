import { FulguriteError } from "../gpu/error.ts";
import { decodeTensors } from "../nn/safetensors.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";

/** Bytes as a `data:` address, so that a file opened from disk has them too; loaded when asked for. */
const files = import.meta.glob<string>("../../notebooks/*.safetensors", {
  import: "default",
  query: "?url&inline",
});

/**
 * Weights that ship with Fulgurite, by the name of their file in `notebooks/`, laid out for a network of this shape.
 * Rejects with "train/no-weights" where there are none of that name or they belong to another shape.
 */
export async function shippedWeights(name: string, shape: TransformerShape): Promise<Float32Array> {
  const load = files[`../../notebooks/${name}.safetensors`];
  if (!load) {
    throw new FulguriteError(
      "train/no-weights",
      `No weights named ${JSON.stringify(name)} ship with this version.`,
      "Leave `start` out to begin with random ones.",
    );
  }
  const text = atob((await load()).replace(/^[^,]*,/, ""));
  return placeWeights(
    name,
    Uint8Array.from(text, (sign) => sign.charCodeAt(0)),
    shape,
  );
}

/** A safetensors file as the parameters of a network: every tensor of the layout, by name and shape. */
export function placeWeights(name: string, file: Uint8Array, shape: TransformerShape): Float32Array {
  const { tensors } = decodeTensors(file);
  const layout = transformerLayout(shape);
  const parameters = new Float32Array(layout.length);
  for (const tensor of layout.tensors) {
    const stored = tensors.get(tensor.name);
    if (stored?.data instanceof Float32Array && stored.shape.join() === tensor.shape.join()) {
      parameters.set(stored.data, tensor.offset);
      continue;
    }
    throw new FulguriteError(
      "train/no-weights",
      `The weights ${JSON.stringify(name)} have no ${tensor.name} of ${tensor.shape.join(" x ")}: they belong to another network.`,
      "Give the policy the shape and the words that the weights were made with.",
    );
  }
  return parameters;
}
