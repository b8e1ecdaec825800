import tseslint from "typescript-eslint";

export default tseslint.config(
  {
    ignores: [
      "dist/",
      "node_modules/",
      "bench/node_modules/",
      "bench/results/",
      "test/artifacts/",
      "test/fixtures/",
    ],
  },
  ...tseslint.configs.strict,
  {
    files: ["**/*.ts"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { arguments: false } }],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-extraneous-class": "off",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      eqeqeq: ["error", "smart"],
    },
  },
  {
    // The core is deterministic: no clock, DOM or ambient randomness below the trainer.
    files: ["src/{gpu,kernels,nn,compile,env,rl,lm,adapter,reward}/**/*.ts"],
    ignores: ["**/*.test.ts"],
    rules: {
      "no-restricted-globals": ["error", "document", "window", "localStorage", "performance"],
      "no-restricted-syntax": [
        "error",
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: "The core has no clock.",
        },
        { selector: "CallExpression[callee.name='Date']", message: "The core has no clock." },
      ],
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: "The core has no clock." },
        { object: "Math", property: "random", message: "Use the counter RNG (kernels/philox)." },
      ],
    },
  },
  {
    // Cells are evaluated in the kernel's opaque-origin worker and nowhere else.
    files: ["src/notebook/evaluate.ts"],
    rules: { "no-new-func": "off", "no-eval": "off", "@typescript-eslint/no-implied-eval": "off" },
  },
);
