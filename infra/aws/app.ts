/** What `cdk` runs: `npx cdk deploy --app "node infra/aws/app.ts" -c host=...`, with the settings of settings.ts. */
import { App } from 'aws-cdk-lib';
import { readSettings } from './settings.ts';
import { PatchbayStack } from './stack.ts';

const app = new App();
new PatchbayStack(app, 'Patchbay', readSettings(app.node.getAllContext()));
