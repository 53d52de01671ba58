// Wakes a person when Cordon cannot do its work. The queries read what the doors and the host log.

param location string
param tags object
param suffix string
param workspaceId string
param signalsTopicId string
param alertEmail string

// Each rule fires when its query's count crosses the threshold in the window; one that fires on too few says so.
var rules = [
  {
    name: 'incident-set-aside'
    title: 'An incident is not being worked on'
    query: 'AppTraces | where SeverityLevel >= 3 and Message startswith "A work message was set aside"'
    severity: 0
    operator: 'GreaterThan'
    window: 'PT5M'
  }
  {
    name: 'nothing-swept'
    title: 'The risk and audit sweeps do not finish'
    query: 'AppRequests | where Name in ("sweep_risk", "sweep_audits") and Success == true'
    severity: 1
    operator: 'LessThanOrEqual'
    window: 'PT30M'
  }
  {
    name: 'runs-fail'
    title: 'Runs of Cordon fail again and again'
    query: 'AppRequests | where Success == false | summarize count() by Name | where count_ >= 3'
    severity: 1
    operator: 'GreaterThan'
    window: 'PT15M'
  }
  {
    name: 'records-set-aside'
    title: 'Records came that Cordon could not read'
    query: 'AppTraces | where SeverityLevel >= 2 and Message contains "was set aside"'
    severity: 3
    operator: 'GreaterThan'
    window: 'PT1H'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-cordon-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'cordon'
    emailReceivers: empty(alertEmail) ? [] : [
      { name: 'responders', emailAddress: alertEmail, useCommonAlertSchema: true }
    ]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: 'cordon-${rule.name}-${suffix}'
    location: location
    tags: tags
    properties: {
      displayName: rule.title
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: rule.window
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [people.id] }
    }
  }
]

resource lostSignals 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'cordon-signals-dead-lettered-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'A signal could not be delivered and lies in the dead-letter container.'
    severity: 1
    enabled: true
    scopes: [signalsTopicId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'dead-lettered'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'DeadLetteredCount'
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Total'
        }
      ]
    }
    actions: [
      { actionGroupId: people.id }
    ]
  }
}
