declare module "virtual:fulgurite-kernel" {
  /** Address of the kernel's script, one classic file, for `fetch`. */
  const url: string;
  export default url;
}
