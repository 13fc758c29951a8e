/**
 * The weights by which the campaigns of an app share its rate. A campaign with twice the weight gets twice the rate of
 * another while both want more than there is.
 */
export const campaignWeight: Readonly<Record<'normal' | 'urgent', number>> = { normal: 1, urgent: 8 }
