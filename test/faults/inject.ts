/** Does to a deployment what a plan says, and undoes it. */
import type { Deployment } from './deployment.ts';
import { describe, type Fault, type Plan } from './plan.ts';
import { Random } from './random.ts';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** Resolves when the last fault is over. @returns those that cannot be brought about on this machine */
export async function inject(deployment: Deployment, { faults }: Plan, seed: number): Promise<Fault[]> {
  const { timeline } = deployment;
  const skipped: Fault[] = [];
  await Promise.all(
    faults.map(async (fault, i) => {
      await sleep(fault.at - timeline.ms);
      if (fault.kind === 'disk full' && !deployment.disks[fault.what].canFill) {
        skipped.push(fault);
        return;
      }
      timeline.note('FAULT', describe(fault));
      const undo = await begin(deployment, fault, new Random(seed, 1_000 + i));
      if (!undo) return;
      await sleep(fault.forMs);
      await undo();
      timeline.note('FAULT', `over: ${fault.kind} ${fault.what}`);
    }),
  );
  return skipped;
}

/** @returns what ends it; undefined: it is over */
async function begin(
  deployment: Deployment,
  fault: Fault,
  random: Random,
): Promise<(() => unknown) | undefined> {
  switch (fault.kind) {
    case 'kill':
      deployment[fault.what].kill();
      return undefined;
    case 'terminate':
      deployment[fault.what].terminate();
      return undefined;
    case 'freeze':
      deployment[fault.what].freeze();
      return () => deployment[fault.what].thaw();
    case 'crash': {
      const server = deployment[fault.what];
      // One at a time: what lies down already lies down once more when it is up.
      const crashed = deployment.crashing[fault.what].then(async () => {
        await server.crash();
        await sleep(fault.forMs);
        await server.restart();
      });
      deployment.crashing[fault.what] = crashed.catch(() => undefined);
      await crashed;
      return () => undefined;
    }
    case 'store':
      deployment.s3Faults.begin(fault.what, fault.share, random);
      return () => deployment.s3Faults.end();
    case 'partition':
    case 'silence':
      deployment.links[fault.what].partition();
      return () => deployment.links[fault.what].heal();
    case 'cut':
      deployment.links[fault.what].cut();
      return undefined;
    case 'disk full':
      await deployment.disks[fault.what].fill();
      return () => deployment.disks[fault.what].clear();
    case 'clock':
      await deployment[fault.what].setClock(fault.offset);
      return undefined;
  }
}
