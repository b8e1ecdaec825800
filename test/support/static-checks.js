// The compiler, ESLint and Prettier beside each other: each one's output in one piece when it has ended.
import { spawn } from "node:child_process";

const check = (command) =>
  new Promise((resolve) => {
    const started = spawn(command, { shell: true, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => (output += text));
    }
    started.on("close", (code) => {
      console.log(`${code === 0 ? "passed" : "FAILED"}: ${command}${output === "" ? "" : `\n${output}`}`);
      resolve(code);
    });
  });

const codes = await Promise.all(["eslint .", "tsc --noEmit", "prettier --check ."].map(check));
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
