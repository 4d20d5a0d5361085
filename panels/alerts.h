/* The table of alerts, for the snapshot. Its rows are struct alert. */
#ifndef PANELS_ALERTS_H
#define PANELS_ALERTS_H

#include "panels/data.h"

/* The table's context: the messages of count alerts in a row. Free text. */
struct alert_texts {
    const struct alert *first;
    char (*text)[256];
};

void alert_texts_fill(struct alert_texts *texts, const struct alert *alerts, size_t count);

extern const struct table_class alerts_table;

#endif
