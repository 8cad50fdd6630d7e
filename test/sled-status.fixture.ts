/** What a Nexus says of one sled, as an operator reads it. */
import { type TestNexus, type TestSled, until, wait } from './process-fleet.fixture.ts';

/** Waits until the status names the sled with a code and words. */
export const isNamed = (nexus: TestNexus, sled: TestSled, code: RegExp, words: RegExp): Promise<void> =>
  until(async () => {
    const { reasons } = await nexus.fleet.fleetStatus({}, wait);
    const told = reasons.filter(reason => reason.message.includes(`sled ${sled.serial}`));
    if (told.some(reason => code.test(reason.code) && words.test(reason.message))) return true;
    throw new Error(`what is said: ${JSON.stringify(reasons)}`);
  }, `${sled.serial} is named with ${code} and ${words}`);

export const nothingIsSaidOf = (nexus: TestNexus, sled: TestSled): Promise<void> =>
  until(async () => {
    const { reasons } = await nexus.fleet.fleetStatus({}, wait);
    return reasons.every(({ message }) => !message.includes(sled.serial));
  }, `nothing is said of ${sled.serial} any more`);

export const sledView = async (nexus: TestNexus, sled: TestSled) => {
  const { items } = await nexus.fleet.sledList({ query: {} }, wait);
  const { id } = items.find(({ serial }) => serial === sled.serial)!;
  return nexus.fleet.sledView({ params: { sled_id: id } }, wait);
};
