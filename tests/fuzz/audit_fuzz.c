/* The record of acts may hold anything: whoever may write to the file is not whoever reads it. */
#include "backend/audit.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct audit_entries entries;

    audit_parse((const char *)data, size, size ? 1 + data[0] % 8 : 0, &entries);
    audit_entries_free(&entries);
    return 0;
}
