/** An error a person can act on: a stable code, one sentence of what happened, and the fix. */
export class FulguriteError extends Error {
  /** Stable, for example "compile/unsupported" or "store/full". */
  readonly code: string;
  /** What to do about it, one sentence. */
  readonly fix: string;
  /** Where in the cell or source, 1-based, when known. */
  readonly line: number | null;
  readonly column: number | null;

  constructor(
    code: string,
    message: string,
    fix: string,
    options: { readonly line?: number; readonly column?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "FulguriteError";
    this.code = code;
    this.fix = fix;
    this.line = options.line ?? null;
    this.column = options.column ?? null;
  }

  /** Plain data for crossing a port; `fromData` restores it. */
  toData(): ErrorData {
    const { code, message, fix, line, column } = this;
    return { code, message, fix, line, column };
  }

  static fromData(data: ErrorData): FulguriteError {
    return new FulguriteError(data.code, data.message, data.fix, {
      ...(data.line === null ? {} : { line: data.line }),
      ...(data.column === null ? {} : { column: data.column }),
    });
  }
}

export interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly line: number | null;
  readonly column: number | null;
}

/** Any thrown thing as a `FulguriteError`; foreign errors keep their message under "internal". */
export function asFulguriteError(error: unknown): FulguriteError {
  if (error instanceof FulguriteError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new FulguriteError("internal", message, "Try again; if it comes back, please report it.", {
    cause: error,
  });
}
