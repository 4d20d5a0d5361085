/* Files that are given as dumps: any bytes, as they are and behind a head that passes. */
#include "backend/act_restore_dump.h"
#include "backend/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_names(const struct dump_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        check(names->items[i] && *names->items[i] && dump_has_name(names, names->items[i]));
}

static void read_file(char *bytes, size_t len)
{
    FILE *file = fmemopen(bytes, len, "r");
    struct dump dump;
    char *error = NULL;

    check(file != NULL);
    if (dump_read(file, &dump, &error)) {
        check(!error && dump.major >= 1);
        check(!dump.listed || dump.tables + dump.data + dump.blobs <= dump.entries);
        check_names(&dump.roles);
        check_names(&dump.grantees);
        check_names(&dump.extensions);
        dump_free(&dump);
    } else {
        check(error && *error && !strchr(error, '\n'));
        free(error);
    }
    fclose(file);
}

static void read_sql(const char *sql)
{
    struct dump_names roles = {0};
    char *value = dump_option(sql, "ENCODING");

    dump_grantees(sql, &roles);
    check_names(&roles);
    for (size_t i = 0; i < roles.count; i++)
        free(roles.items[i]);
    free(roles.items);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = {'P', 'G', 'D', 'M', 'P', 1, 12, 0, 1, 0, 1};
    char *bytes = mem_alloc(size + sizeof(head) + 1);

    if (size) {
        memcpy(bytes, data, size);
        read_file(bytes, size);
        bytes[size] = '\0';
        read_sql(bytes);
    }
    memcpy(bytes, head, sizeof(head));
    if (size)
        memcpy(bytes + sizeof(head), data, size);
    bytes[6] = (char)(12 + (size ? data[0] % 5 : 0));
    read_file(bytes, size + sizeof(head));
    free(bytes);
    return 0;
}
