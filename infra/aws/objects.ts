/** The bucket, and what each part may do with it. A presigned URL allows no more than whoever signed it may do. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  HttpMethods,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { PREFIXES, UPLOADS } from '../../functions/object-keys.ts';

/** `sweep` ends uploads after a day; what it has missed, the bucket does. */
const STAGING_DAYS = 3;

export class Objects extends Construct {
  readonly bucket: Bucket;

  /** @param origin of the site: browsers send files straight to the bucket */
  constructor(scope: Construct, id: string, origin: string) {
    super(scope, id);
    this.bucket = new Bucket(this, 'Bucket', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [
        { id: 'unfinished-uploads', abortIncompleteMultipartUploadAfter: Duration.days(STAGING_DAYS) },
        { id: 'staged-uploads', prefix: UPLOADS, expiration: Duration.days(STAGING_DAYS) },
      ],
      cors: [
        {
          allowedOrigins: [origin],
          allowedMethods: [HttpMethods.GET, HttpMethods.HEAD, HttpMethods.PUT],
          allowedHeaders: ['*'],
          exposedHeaders: ['ETag'],
          maxAge: 3600,
        },
      ],
    });
  }

  /** For the API: reads, writes and signs URLs for both, below the prefixes that it uses. */
  grantPresigning(grantee: IGrantable): void {
    this.allow(grantee, PREFIXES, [
      's3:GetObject',
      's3:PutObject',
      's3:DeleteObject',
      's3:AbortMultipartUpload',
      's3:ListMultipartUploadParts',
    ]);
    this.allowListing(grantee);
  }

  /** For functions that clean up: they read nobody's weights and write none. */
  grantRemoving(grantee: IGrantable, prefixes: readonly string[]): void {
    this.allow(grantee, prefixes, ['s3:DeleteObject', 's3:AbortMultipartUpload']);
    this.allowListing(grantee);
  }

  private allow(grantee: IGrantable, prefixes: readonly string[], actions: string[]): void {
    const resources = prefixes.map((prefix) => this.bucket.arnForObjects(`${prefix}*`));
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources }));
  }

  /** Without it, what is not there is answered as forbidden. */
  private allowListing(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn] }),
    );
  }
}
