/* What the acts on a Redis read from it: CLIENT LIST, fields of INFO, markers, keys. */
#include "backend/act_clients.h"
#include "backend/act_keys.h"
#include "backend/redis_act.h"
#include "backend/redis_spare.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_clients(const char *text, size_t len)
{
    struct redis_db_config db = {.db = 5, .environment = ENV_DEV};
    const struct redis_config config = {.databases = &db, .database_count = 1};
    struct clients clients;

    clients_read(text, len, 5, &config, &clients);
    check(clients.local <= clients.count && clients.host_count <= CLIENTS_HOSTS);
    check(!clients.shared[0] || clients.shared_db != 5);
}

static void check_marker(const char *text, size_t len)
{
    struct redis_spare spare = {0};

    if (spare_parse(text, len, &spare))
        check(spare.db >= 0 && spare.keys >= 0 && strlen(spare.marker) == len);
    spare_clear(&spare);
}

static void check_keys(const char *text, size_t len)
{
    struct keys keys = {0};
    struct plan plan = {0};

    for (size_t at = 0; at < len; at += 1 + (unsigned char)text[at]) {
        size_t left = len - at - 1, want = (unsigned char)text[at];

        keys_add(&keys, text + at + 1, left < want ? left : want);
    }
    keys_plan(&keys, &plan);
    keys_free(&keys);
    plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct redis_identity identity;

    redis_identity_parse(text, size / 2, text + size / 2, size - size / 2, &identity);
    check(memchr(identity.run_id, '\0', sizeof(identity.run_id)) != NULL);
    check(strspn(identity.swaps, "0123456789") == strlen(identity.swaps));
    check_clients(text, size);
    check_marker(text, size);
    check_keys(text, size);
    return 0;
}
