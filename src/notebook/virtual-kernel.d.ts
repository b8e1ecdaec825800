declare module "virtual:fulgurite-kernel" {
  /** Address of the kernel's script, one classic file, for `fetch`. */
  const url: string;
  export default url;
}

declare module "virtual:fulgurite-packages" {
  /** Addresses of the packages that ship for import, by name. */
  const addresses: Readonly<Record<string, string>>;
  export default addresses;
}

declare module "virtual:fulgurite-parts" {
  /** What a page in one file carries: classic scripts of the kernel and the trainer (gzip, base64), pages of their frames. */
  const parts: {
    readonly kernel: string;
    readonly trainer: string;
    readonly kernelPage: string;
    readonly runnerPage: string;
  };
  export default parts;
}
