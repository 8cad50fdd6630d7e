/** Where the identity of a process lies: the fields of a JSON output, and the rows for people. */
type IdentityFiles = {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authoritiesFile: string;
};

export const identityFilesData = (files: IdentityFiles) => ({
  certificate_file: files.certificateFile,
  key_file: files.keyFile,
  ca_file: files.authoritiesFile,
});

export const identityFileRows = (files: IdentityFiles) =>
  [
    ['certificate', files.certificateFile],
    ['key', files.keyFile],
    ['authority', files.authoritiesFile],
  ] as const;
