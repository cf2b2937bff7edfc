/**
 * API and site: a Lambda whose answers stream through its function URL, with CloudFront in front. The URL itself takes requests from
 * anybody, as CloudFront does: signed origins would ask every client that sends a body for its hash (docs/deploy.md).
 */
import { Duration } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import {
  AllowedMethods,
  CachePolicy,
  Function as CloudFrontFunction,
  Distribution,
  FunctionCode,
  FunctionEventType,
  FunctionRuntime,
  HttpVersion,
  OriginRequestPolicy,
  PriceClass,
  SecurityPolicyProtocol,
  ViewerProtocolPolicy,
} from 'aws-cdk-lib/aws-cloudfront';
import { FunctionUrlOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import { type FunctionUrl, FunctionUrlAuthType, InvokeMode } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { NAME_VIEWER, ORIGIN_HEADER } from './entries/viewer.ts';
import type { Network } from './network.ts';
import { apiEnvironment, type ServerParts } from './server.ts';
import { ServerFunction } from './server-function.ts';

/** The longest that Lambda has: an answer of a long context streams for minutes. */
const TIMEOUT = Duration.minutes(15);
/** Above a gigabyte and three quarters there is a whole processor; cold starts need one more than memory. */
const MEMORY_MIB = 1_769;
/** Between two pieces of an answer. A stream says every ten seconds that it is at work; an answer in one piece cannot. */
const READ_TIMEOUT = Duration.seconds(60);

export class Api extends Construct {
  readonly function: ServerFunction;
  readonly url: FunctionUrl;
  readonly distribution: Distribution;

  constructor(scope: Construct, id: string, network: Network, server: ServerParts) {
    super(scope, id);
    this.function = new ServerFunction(this, 'Function', {
      network,
      server,
      handler: 'api/lambda/index.handler',
      memoryMiB: MEMORY_MIB,
      timeout: TIMEOUT,
      environment: apiEnvironment(server),
      secrets: { ...server.secrets.ofServer, PATCHBAY_ORIGIN_TOKEN: server.secrets.origin },
    });
    server.objects.grantPresigning(this.function);
    this.url = this.function.addFunctionUrl({
      authType: FunctionUrlAuthType.NONE,
      invokeMode: InvokeMode.RESPONSE_STREAM,
    });
    const origin = new FunctionUrlOrigin(this.url, {
      readTimeout: READ_TIMEOUT,
      // Put in by CloudFormation: it stands in the distribution, and not in the template.
      customHeaders: { [ORIGIN_HEADER]: server.secrets.origin.secretValue.unsafeUnwrap() },
    });
    const viewer = {
      eventType: FunctionEventType.VIEWER_REQUEST,
      function: new CloudFrontFunction(this, 'Viewer', {
        comment: 'Says who asks',
        code: FunctionCode.fromInline(NAME_VIEWER),
        runtime: FunctionRuntime.JS_2_0,
      }),
    };
    const { host, certificateArn } = server.settings;
    this.distribution = new Distribution(this, 'Distribution', {
      comment: 'Patchbay',
      domainNames: [host],
      certificate: Certificate.fromCertificateArn(this, 'Certificate', certificateArn),
      minimumProtocolVersion: SecurityPolicyProtocol.TLS_V1_2_2021,
      httpVersion: HttpVersion.HTTP2_AND_3,
      priceClass: PriceClass.PRICE_CLASS_100,
      defaultBehavior: {
        origin,
        allowedMethods: AllowedMethods.ALLOW_ALL,
        viewerProtocolPolicy: ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        cachePolicy: CachePolicy.CACHING_DISABLED,
        originRequestPolicy: OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        compress: false, // would hold a stream back
        functionAssociations: [viewer],
      },
      additionalBehaviors: {
        // Named by their content, and answered as immutable.
        'assets/*': {
          origin,
          viewerProtocolPolicy: ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
          cachePolicy: CachePolicy.CACHING_OPTIMIZED,
          compress: true,
        },
      },
    });
  }
}
