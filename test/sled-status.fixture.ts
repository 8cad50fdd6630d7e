/** The status of one sled, as an operator reads it. */
import type { TestNexus, TestSled } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';

type Facts = Readonly<Record<string, string | number | RegExp>>;

/** Waits until the status names the sled with a code and these facts; a pattern matches a fact that quotes other text. */
export const isNamed = (nexus: TestNexus, sled: TestSled, code: RegExp, facts: Facts): Promise<void> =>
  until(
    async () => {
      const { reasons } = await nexus.fleet.fleetStatus({}, wait);
      const told = reasons.filter(({ details }) => details?.serial === sled.serial);
      if (told.some(reason => code.test(reason.code) && hasFacts(reason.details, facts))) return true;
      throw new Error(`what is said: ${JSON.stringify(reasons)}`);
    },
    `${sled.serial} is named with ${code} and ${Object.entries(facts).join('; ')}`,
  );

const hasFacts = (details: Readonly<Record<string, unknown>> = {}, facts: Facts): boolean =>
  Object.entries(facts).every(([name, fact]) =>
    fact instanceof RegExp ? fact.test(String(details[name])) : details[name] === fact,
  );

export const nothingIsSaidOf = (nexus: TestNexus, sled: TestSled): Promise<void> =>
  until(async () => {
    const { reasons } = await nexus.fleet.fleetStatus({}, wait);
    return reasons.every(({ details }) => details?.serial !== sled.serial);
  }, `nothing is said of ${sled.serial} any more`);

export const sledView = async (nexus: TestNexus, sled: TestSled) => {
  const { items } = await nexus.fleet.sledList({ query: {} }, wait);
  const { id } = items.find(({ serial }) => serial === sled.serial)!;
  return nexus.fleet.sledView({ params: { sled_id: id } }, wait);
};
