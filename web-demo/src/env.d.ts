interface ImportMetaEnv {
  /** The issuer that tokens are checked against, where it is not the page's own origin. */
  readonly VITE_ISSUER?: string;
  /** The audience that tokens are checked against, where it is not the issuer. */
  readonly VITE_AUDIENCE?: string;
}
