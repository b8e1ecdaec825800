export { simulatedSpanId } from "../store/span.ts";

/** Crockford's base 32: no I, L, O, U. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const timeCharacters = 10;

/**
 * A ULID (github.com/ulid/spec): 48 bits of time, then 80 random bits, as 26 characters that sort by time.
 * `time` in milliseconds since the epoch, `random` ten bytes.
 */
export function runId(time: number, random: Readonly<Uint8Array>): string {
  let id = "";
  let rest = Math.floor(time);
  for (let i = 0; i < timeCharacters; i++) {
    id = alphabet[rest % 32]! + id;
    rest = Math.floor(rest / 32);
  }
  let bits = 0;
  let held = 0;
  for (const byte of random.subarray(0, 10)) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) id += alphabet[(held >>> (bits - 5)) & 31]!;
    held &= 31;
  }
  return id;
}
