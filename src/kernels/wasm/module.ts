import { ByteWriter, valueTypes, type ValueType } from "./encoding.ts";
import { FunctionBody } from "./function-body.ts";

interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

interface ImportedFunction {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

interface ImportedMemory {
  readonly module: string;
  readonly name: string;
  readonly pages: number;
  /** Of a memory that threads share, else null. */
  readonly most: number | null;
}

interface DefinedFunction {
  readonly type: number;
  readonly exported: string | null;
  readonly body: FunctionBody;
}

/**
 * Assembles a WebAssembly module in memory, with f32, i32 and 128-bit SIMD values. Import functions before
 * defining any: an index is final once it has been given.
 */
export class WasmModule {
  readonly #signatures: Signature[] = [];
  readonly #imports: ImportedFunction[] = [];
  readonly #functions: DefinedFunction[] = [];
  #memory: ImportedMemory | null = null;

  /** Index of an imported function. */
  importFunction(
    module: string,
    name: string,
    parameters: readonly ValueType[],
    results: readonly ValueType[],
  ): number {
    if (this.#functions.length > 0) throw new Error("import functions before defining any");
    this.#imports.push({ module, name, type: this.#signature({ parameters, results }) });
    return this.#imports.length - 1;
  }

  /** The one memory, of at least `pages` x 64 KiB; one that threads share says how many it may come to. */
  importMemory(module: string, name: string, pages: number, most: number | null = null): void {
    this.#memory = { module, name, pages, most };
  }

  /** Defines a function, exported where it has a name; `build` writes its instructions. Returns its index. */
  define(
    exported: string | null,
    parameters: readonly ValueType[],
    results: readonly ValueType[],
    build: (body: FunctionBody) => void,
  ): number {
    const body = new FunctionBody(parameters);
    build(body);
    this.#functions.push({ type: this.#signature({ parameters, results }), exported, body });
    return this.#imports.length + this.#functions.length - 1;
  }

  /** The binary, ready for `new WebAssembly.Module`. */
  encode(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.byte(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
    section(out, 1, (w) => {
      w.vector(this.#signatures, ({ parameters, results }) => {
        w.byte(0x60);
        w.vector(parameters, (type) => w.byte(valueTypes[type]));
        w.vector(results, (type) => w.byte(valueTypes[type]));
      });
    });
    section(out, 2, (w) => {
      w.unsigned(this.#imports.length + (this.#memory ? 1 : 0));
      for (const { module, name, type } of this.#imports) {
        w.name(module);
        w.name(name);
        w.byte(0x00);
        w.unsigned(type);
      }
      if (this.#memory) {
        w.name(this.#memory.module);
        w.name(this.#memory.name);
        w.byte(0x02, this.#memory.most === null ? 0x00 : 0x03);
        w.unsigned(this.#memory.pages);
        if (this.#memory.most !== null) w.unsigned(this.#memory.most);
      }
    });
    section(out, 3, (w) => {
      w.vector(this.#functions, ({ type }) => w.unsigned(type));
    });
    section(out, 7, (w) => {
      const exported = this.#functions.flatMap(({ exported }, i) =>
        exported === null ? [] : [{ exported, i }],
      );
      w.vector(exported, ({ exported, i }) => {
        w.name(exported);
        w.byte(0x00);
        w.unsigned(this.#imports.length + i);
      });
    });
    section(out, 10, (w) => {
      w.vector(this.#functions, ({ body }) => w.append(body.encode()));
    });
    return Uint8Array.from(out.bytes);
  }

  #signature(signature: Signature): number {
    const same = (a: readonly ValueType[], b: readonly ValueType[]): boolean => a.join() === b.join();
    const known = this.#signatures.findIndex(
      (s) => same(s.parameters, signature.parameters) && same(s.results, signature.results),
    );
    return known >= 0 ? known : this.#signatures.push(signature) - 1;
  }
}

function section(out: ByteWriter, id: number, write: (writer: ByteWriter) => void): void {
  const content = new ByteWriter();
  write(content);
  out.byte(id);
  out.unsigned(content.bytes.length);
  out.append(content.bytes);
}
