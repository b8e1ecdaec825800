import { createSandboxedKernel } from "../../src/notebook/sandbox.ts";
import { createNotebookSession } from "../../src/notebook/session.ts";
import type { OpenNotebook } from "../../src/notebook/session-types.ts";

const text = `// fulgurite: 1

// %% [md] intro
/*
# A notebook to change
*/

// %% one
export const one = 1;

// %% two
export const two = one + 1;

// %% show
console.log("the sum is " + (1 + two));
`;

/** A session on the real kernel in its sandbox, without a trainer. */
export const realSession = (notebook = text): OpenNotebook =>
  createNotebookSession({
    id: "real",
    text: notebook,
    services: { train: () => Promise.reject(new Error("no trainer")) },
    createKernel: () =>
      createSandboxedKernel({ kernelPage: new URL("../../kernel.html", document.baseURI).href }),
    editDelay: 50,
  });
