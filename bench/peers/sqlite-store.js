const score = "gen_ai.evaluation.score.value";
const bytes = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export async function makeSqliteStore(moduleUrl) {
  const { default: init } = await import(/* @vite-ignore */ moduleUrl);
  const sqlite = await init({ print: () => {}, printErr: () => {} });
  const pool = await sqlite.installOpfsSAHPoolVfs({ name: "bench" });
  let database = open();
  let insert = prepare();

  function open() {
    const opened = new pool.OpfsSAHPoolDb("/spans.db");
    opened.exec("pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = normal");
    opened.exec(`create table if not exists spans (run text, rollout integer, sequence integer, span_id text, trace_id text,
      parent_id text, attempt_id text, name text, status text, start real, end real, attributes text, reward real,
      prompt_ids blob, response_ids blob, log_probabilities blob, primary key (run, rollout, sequence)) without rowid;
      create index if not exists reward on spans (run, reward) where reward is not null`);
    return opened;
  }
  function prepare() {
    return database.prepare(`insert into spans values (${Array(16).fill("?").join(", ")})`);
  }
  return {
    async write(runId, spans) {
      database.exec("begin");
      for (const span of spans) {
        const { tokens, attributes } = span;
        insert
          .bind([
            runId,
            Number(span.rolloutId.slice(runId.length + 1)),
            span.sequence,
            span.spanId,
            span.traceId,
            span.parentId,
            span.attemptId,
            span.name,
            span.status,
            span.startTime,
            span.endTime,
            JSON.stringify(attributes),
            attributes[score] ?? null,
            tokens ? bytes(tokens.promptIds) : null,
            tokens ? bytes(tokens.responseIds) : null,
            tokens ? bytes(tokens.logProbabilities) : null,
          ])
          .stepReset();
      }
      database.exec("commit");
    },
    async finish() {
      database.exec("pragma wal_checkpoint(truncate)");
    },
    async byRollout(runId, number) {
      let rows = 0;
      let sum = 0;
      database.exec({
        sql: "select * from spans where run = ? and rollout = ? order by sequence",
        bind: [runId, number],
        rowMode: "array",
        callback: (row) => {
          rows++;
          JSON.parse(row[11]);
          if (row[15]) for (const value of new Float32Array(row[15].slice().buffer)) sum += value;
        },
      });
      return { rows, sum };
    },
    async meanReward(runId) {
      return database.selectValue("select avg(reward) from spans where run = ? and reward is not null", [
        runId,
      ]);
    },
    async scan(runIds) {
      let rows = 0;
      let sum = 0;
      for (const runId of runIds) {
        database.exec({
          sql: "select sequence, start, end, log_probabilities from spans where run = ?",
          bind: [runId],
          rowMode: "array",
          callback: (row) => {
            rows++;
            if (row[3]) {
              const values = new Float32Array(row[3].buffer, row[3].byteOffset, row[3].byteLength / 4);
              for (let i = 0; i < values.length; i++) sum += values[i];
            }
          },
        });
      }
      return { rows, sum };
    },
    async reopen() {
      insert.finalize();
      database.close();
      database = open();
      insert = prepare();
      database.selectValue("select 1 from spans limit 1");
    },
    async close() {
      insert.finalize();
      database.close();
    },
  };
}
