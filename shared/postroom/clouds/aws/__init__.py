"""Amazon Web Services: DynamoDB and S3, SQS and EventBridge Scheduler, Lambda."""
