/** A small disk of its own for a process, which can be filled; where this machine lets us mount one. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MIB = 2 ** 20;
/** What the processes under test keep is a tenth of this. */
const SIZE_MIB = 192;

export class Disk {
  readonly folder: string;
  /** False: it is an ordinary folder, which cannot be filled. */
  readonly canFill: boolean;
  private readonly filler: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.filler = join(folder, 'filler');
    this.canFill = canMount() && mount(folder, SIZE_MIB);
  }

  /** Until nothing more fits. */
  async fill(): Promise<void> {
    const file = await open(this.filler, 'a');
    try {
      for (let size = MIB; size >= 1; size = Math.floor(size / 2)) {
        const block = new Uint8Array(size);
        while (await fits(file.write(block)));
      }
    } finally {
      await file.close();
    }
  }

  async clear(): Promise<void> {
    await rm(this.filler, { force: true });
  }

  remove(): void {
    if (this.canFill) spawnSync('umount', ['-l', this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function fits(write: Promise<{ bytesWritten: number }>): Promise<boolean> {
  try {
    return (await write).bytesWritten > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

const mount = (folder: string, mib: number): boolean =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'patchbay-test', folder]).status === 0;

let known: boolean | undefined;

export function canMount(): boolean {
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), 'patchbay-mount-'));
  known = mount(folder, 1);
  if (known) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
  return known;
}
