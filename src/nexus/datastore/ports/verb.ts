/** What the verbs of every port take beside their arguments, and how they answer a list. */

export type Wait = { readonly signal: AbortSignal };

export type Page = { readonly limit: number; readonly pageToken?: string | undefined };
export type Paged<T> = { readonly items: readonly T[]; readonly nextPage?: string | undefined };
