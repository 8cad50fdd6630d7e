/** A bounded set of equal buffers: allocated when first needed, then reused, so that received bytes allocate no memory. */
import assert from 'node:assert/strict';

export type PagePool = {
  readonly hasFree: () => boolean;
  readonly freeBytes: () => number;
  /** Only while {@link hasFree}. */
  readonly take: () => Buffer;
  readonly give: (page: Buffer) => void;
};

export const createPagePool = ({
  pageSizeBytes,
  pages,
}: {
  pageSizeBytes: number;
  pages: number;
}): PagePool => {
  const free: Buffer[] = [];
  let allocated = 0;
  const hasFree = (): boolean => free.length > 0 || allocated < pages;
  return {
    hasFree,
    freeBytes: () => (free.length + pages - allocated) * pageSizeBytes,
    take() {
      assert(hasFree(), 'page pool is empty');
      const page = free.pop();
      if (page !== undefined) return page;
      allocated += 1;
      return Buffer.allocUnsafeSlow(pageSizeBytes);
    },
    give(page) {
      free.push(page);
    },
  };
};
