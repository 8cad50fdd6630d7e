/** The output of the command: lines for people, or one JSON object a line. */

export type Output = {
  readonly say: (text: string, record: Readonly<Record<string, unknown>>) => void;
};

export const createOutput = (isJson: boolean, write: (line: string) => void): Output => ({
  say: (text, record) => write(isJson ? JSON.stringify(record) : text),
});
