declare module "virtual:fulgurite-declarations" {
  /** Address of the declarations, a JSON object of texts by path. */
  const address: string;
  export default address;
}
