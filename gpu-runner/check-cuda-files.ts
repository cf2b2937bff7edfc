/** Ends the image's build where a file is missing that CUDA needs. The driver is the host's: no build has it. */
import { DRIVER, libraryFolder, missingForCuda } from './cuda-files.ts';
import { libraryPath } from './provider.ts';

const missing = (await missingForCuda(libraryFolder(), libraryPath())).filter((name) => name !== DRIVER);
if (missing.length > 0) {
  process.stderr.write(`CUDA cannot be used: ${missing.join(', ')} not found\n`);
  process.exit(1);
}
