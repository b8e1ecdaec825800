import { ByteWriter, valueTypes, type ValueType } from "./encoding.ts";
import {
  memoryOpcodes,
  saturatingOpcodes,
  scalarOpcodes,
  vectorMemoryOpcodes,
  vectorOpcodes,
  type Instruction,
  type MemoryInstruction,
} from "./opcodes.ts";

/** A parameter or local variable of one function. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

/**
 * Instructions of one function, written in stack order: operands first. Nothing is checked here; the engine
 * validates the module when it compiles.
 */
export class FunctionBody {
  readonly parameters: readonly Local[];
  readonly #code = new ByteWriter();
  readonly #locals: ValueType[] = [];

  constructor(parameters: readonly ValueType[]) {
    this.parameters = parameters.map((type, index) => ({ index, type }));
  }

  /** A new variable, zero at entry. */
  local(type: ValueType): Local {
    this.#locals.push(type);
    return { index: this.parameters.length + this.#locals.length - 1, type };
  }

  get(local: Local): this {
    this.#code.byte(0x20);
    this.#code.unsigned(local.index);
    return this;
  }

  set(local: Local): this {
    this.#code.byte(0x21);
    this.#code.unsigned(local.index);
    return this;
  }

  /** Sets and leaves the value on the stack. */
  tee(local: Local): this {
    this.#code.byte(0x22);
    this.#code.unsigned(local.index);
    return this;
  }

  i32(value: number): this {
    this.#code.byte(0x41);
    this.#code.signed(value);
    return this;
  }

  f32(value: number): this {
    this.#code.byte(0x43);
    this.#code.float(value);
    return this;
  }

  /** Four equal f32 lanes. */
  f32x4(value: number): this {
    this.#code.byte(0xfd, 12);
    for (let lane = 0; lane < 4; lane++) this.#code.float(value);
    return this;
  }

  /** Four equal i32 lanes. */
  i32x4(value: number): this {
    this.#code.byte(0xfd, 12);
    for (let lane = 0; lane < 4; lane++) {
      for (let byte = 0; byte < 4; byte++) this.#code.byte((value >> (8 * byte)) & 0xff);
    }
    return this;
  }

  /** An instruction without immediates, by its name in the text format. */
  op(instruction: Instruction): this {
    if (instruction in scalarOpcodes) {
      this.#code.byte(scalarOpcodes[instruction as keyof typeof scalarOpcodes]);
    } else if (instruction in saturatingOpcodes) {
      this.#code.byte(0xfc);
      this.#code.unsigned(saturatingOpcodes[instruction as keyof typeof saturatingOpcodes]);
    } else {
      this.#code.byte(0xfd);
      this.#code.unsigned(vectorOpcodes[instruction as keyof typeof vectorOpcodes]);
    }
    return this;
  }

  /** A load or store at (address on the stack) + `offset` bytes. */
  memory(instruction: MemoryInstruction, offset = 0): this {
    if (instruction in memoryOpcodes) {
      const [opcode, alignment] = memoryOpcodes[instruction as keyof typeof memoryOpcodes];
      this.#code.byte(opcode);
      this.#code.unsigned(alignment);
    } else {
      const [opcode, alignment] = vectorMemoryOpcodes[instruction as keyof typeof vectorMemoryOpcodes];
      this.#code.byte(0xfd);
      this.#code.unsigned(opcode);
      this.#code.unsigned(alignment);
    }
    this.#code.unsigned(offset);
    return this;
  }

  /** One f32 lane of the vector on the stack. */
  extractLane(lane: number): this {
    this.#code.byte(0xfd, 31, lane);
    return this;
  }

  /** Replaces one f32 lane of the vector below the scalar on the stack. */
  replaceLane(lane: number): this {
    this.#code.byte(0xfd, 32, lane);
    return this;
  }

  /** Picks four 32-bit lanes out of two vectors; 0-3 of the first, 4-7 of the second. */
  shuffle(lanes: readonly [number, number, number, number]): this {
    this.#code.byte(0xfd, 13);
    for (const lane of lanes) for (let byte = 0; byte < 4; byte++) this.#code.byte(lane * 4 + byte);
    return this;
  }

  /** `result` null: the block leaves nothing on the stack. */
  block(result: ValueType | null, inside: () => void): this {
    return this.#structured(0x02, result, inside);
  }

  loop(result: ValueType | null, inside: () => void): this {
    return this.#structured(0x03, result, inside);
  }

  /** Takes an i32 condition from the stack. */
  if(result: ValueType | null, then: () => void, otherwise?: () => void): this {
    return this.#structured(0x04, result, () => {
      then();
      if (otherwise) {
        this.#code.byte(0x05);
        otherwise();
      }
    });
  }

  /** Branches to the `depth`-th enclosing block (its end) or loop (its start), 0 the innermost. */
  branch(depth: number): this {
    this.#code.byte(0x0c);
    this.#code.unsigned(depth);
    return this;
  }

  /** Branches if the i32 on the stack is not zero. */
  branchIf(depth: number): this {
    this.#code.byte(0x0d);
    this.#code.unsigned(depth);
    return this;
  }

  /** Calls a function by the index that `WasmModule` gave it. */
  call(functionIndex: number): this {
    this.#code.byte(0x10);
    this.#code.unsigned(functionIndex);
    return this;
  }

  /** Size, locals and code as the code section wants them. */
  encode(): readonly number[] {
    const body = new ByteWriter();
    body.vector(this.#locals, (type) => {
      body.unsigned(1);
      body.byte(valueTypes[type]);
    });
    body.append(this.#code.bytes);
    body.byte(0x0b);
    const sized = new ByteWriter();
    sized.unsigned(body.bytes.length);
    sized.append(body.bytes);
    return sized.bytes;
  }

  #structured(opcode: number, result: ValueType | null, inside: () => void): this {
    this.#code.byte(opcode, result === null ? 0x40 : valueTypes[result]);
    inside();
    this.#code.byte(0x0b);
    return this;
  }
}
