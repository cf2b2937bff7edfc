/** Adapters are also found where Hugging Face has them: /owner/name. */
import { redirect } from 'react-router';
import type { Asked } from '../routes.tsx';

export const loader = ({ params }: Asked) => redirect(`/adapters/${params['owner']}/${params['name']}`);

export const Component = () => null;
