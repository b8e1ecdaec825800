/** A notebook with every input and every output that cells have without a trainer. */
export const outputsNotebook = `// fulgurite: 1

// %% [md] intro
/*
# Everything that cells show
*/

// %% [md] tasks
/*
- [x] drawn
- [ ] to be drawn

![A curve](https://pictures.example/curve.png)

| Setting | Times |
| ------- | ----: |
| envs    |     8 |
*/

// %% rate
export const rate = slider("Rate", { min: 0, max: 10, step: 1, value: 3 });
export const shape = select("Shape", ["square", "cube"], "square");
export const loud = toggle("Loud");
export const who = text("Who", { value: "world" });

// %% pressed
export const pressed = button("Press me");

// %% result
const power = shape === "cube" ? rate ** 3 : rate ** 2;
console.log((loud ? "HELLO " : "hello ") + who + " " + power + " pressed " + pressed);

// %% settings
export const settings = form("Apply", (f) => ({
  envs: f.slider("Envs", { min: 1, max: 8, step: 1 }),
  name: f.text("Name", { value: "first" }),
}));

// %% applied
console.log("applied " + settings.envs + " " + settings.name);

// %% upload
export const upload = file("Data", { accept: ".txt" });
if (upload) console.log(upload.name + " holds " + upload.text());

// %% rows
const n = 1_000_000;
table({
  step: Float64Array.from({ length: n }, (_, i) => i),
  half: Float64Array.from({ length: n }, (_, i) => i / 2),
  colour: Array.from({ length: n }, (_, i) => ["red", "green", "blue"][i % 3]),
}, "million");

// %% drawing
Plot.plot({
  height: 160,
  marks: [Plot.ruleY([0]), Plot.lineY(Array.from({ length: 50 }, (_, i) => i), { x: (i) => i, y: (i) => Math.sin(i / 5) })],
});

// %% picture
const pixels = new Uint8ClampedArray(16 * 16 * 4).map((_, i) => (i % 4 === 3 ? 255 : (i * 7) % 256));
image({ width: 16, height: 16, data: pixels }, "stripes");

// %% bar
const bar = progress("Counting");
bar.set(0.5, "half way");

// %% change
diff("one\\ntwo\\nthree", "one\\n2\\nthree");

// %% spans
trace([
  { name: "agent", spanId: "a", startTime: 0, endTime: 90 },
  { name: "look up", spanId: "b", parentId: "a", startTime: 10, endTime: 40, attributes: { "tool.name": "sqlite" } },
]);

// %% long
export const long = "x".repeat(10_000);

// %% broken
export const broken: number = JSON.parse("{");

// %% below
export const twice = 2 * broken;

// %% further
console.log("twice", twice);
`;
