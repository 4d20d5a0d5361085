#include "panels/monitor_clients.h"

#include "backend/base/mem.h"
#include "backend/redis_link.h"
#include "tui/overlay.h"
#include "tui/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char prefix[] = "unix:";

bool monitor_is_local(const char *address)
{
    return strncmp(address, prefix, sizeof(prefix) - 1) == 0;
}

/* CLIENT LIST calls it "PATH:0", and a server has but one. What is shown of a path may be cut. */
static bool is_other(const struct monitor_client *client, const char *address)
{
    const char *path = address + sizeof(prefix) - 1;

    return strncmp(client->address, path, strlen(path)) == 0 &&
           strcmp(client->name, REDIS_CLIENT_NAME) != 0;
}

static int by_id(const void *a, const void *b)
{
    const struct monitor_client *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* The caller frees the list. */
static size_t list_locals(const struct monitor_names *names, const char *address,
                          struct monitor_client **list)
{
    const struct monitor_client *client;
    size_t count = 0, room = 0;

    *list = NULL;
    for (size_t i = 0; (client = monitor_names_at(names, i)); i++) {
        if (!is_other(client, address))
            continue;
        if (count == room) {
            room = room ? 2 * room : 16;
            *list = mem_array(*list, room, sizeof(**list));
        }
        (*list)[count++] = *client;
    }
    if (count)
        qsort(*list, count, sizeof(**list), by_id);
    return count;
}

/* Sanitised; the caller frees both. */
static char *who_text(const struct monitor_client *client)
{
    char *name = text_clean(client->name, false);
    char *text = mem_printf("id %lld  %s", client->id, name[0] ? name : "without a name");

    free(name);
    return text;
}

static char *what_text(const struct monitor_client *client)
{
    const double seconds = (double)time(NULL) - client->connected;
    char age[TEXT_UNIT_SIZE], db[24] = "-", *raw, *text;

    if (client->db >= 0)
        snprintf(db, sizeof(db), "%d", client->db);
    raw = mem_printf("age %s, last command %s, user %s, db %s",
                     client->age < 0 ? "-" : text_duration(age, seconds > 0 ? seconds : 0),
                     client->command[0] ? client->command : "-",
                     client->user[0] ? client->user : "-", db);
    text = text_clean(raw, false);
    free(raw);
    return text;
}

void monitor_add_locals(const struct monitor_names *names, const char *address, struct strbuf *text)
{
    struct monitor_client *list;
    const size_t count = list_locals(names, address, &list);

    if (!count)
        strbuf_adds(text, "\nNo client of this unix socket is known but our own.\n");
    else
        strbuf_adds(text, "\nThe clients of this unix socket, of which one has sent it:\n");
    for (size_t i = 0; i < count; i++) {
        char *who = who_text(&list[i]), *what = what_text(&list[i]);

        strbuf_addf(text, "%s  %s\n", who, what);
        free(who);
        free(what);
    }
    free(list);
}

/* ---- the choice ---- */

struct monitor_choice {
    char **clients;
    size_t count;
    void (*chosen)(void *context, const char *client);
    void *context;
};

static void menu_done(void *context, struct overlay *overlay, bool accepted)
{
    const struct monitor_choice *choice = context;

    if (accepted)
        choice->chosen(choice->context, choice->clients[menu_selected(overlay)]);
}

/* An address that fills its place may have been cut: the id alone says who it is, too. */
static char *client_text(const struct monitor_client *client)
{
    if (strlen(client->address) + 1 == sizeof(client->address))
        return mem_printf("%lld", client->id);
    return mem_printf("%lld %s", client->id, client->address);
}

struct monitor_choice *monitor_choice_open(struct app *app, const struct monitor_names *names,
                                           const char *address,
                                           void (*chosen)(void *context, const char *client),
                                           void *context)
{
    struct monitor_client *list;
    const size_t count = list_locals(names, address, &list);
    struct monitor_choice *choice;
    struct menu_item *items;
    struct overlay *menu;

    if (!count)
        return NULL;
    choice = mem_zalloc(sizeof(*choice));
    choice->clients = mem_array(NULL, count, sizeof(*choice->clients));
    choice->count = count;
    choice->chosen = chosen;
    choice->context = context;
    items = mem_array(NULL, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        choice->clients[i] = client_text(&list[i]);
        items[i] = (struct menu_item){.label = who_text(&list[i]), .note = what_text(&list[i])};
    }
    free(list);
    menu = menu_new("Kill which client of the unix socket?", items, count, 0, NULL, NULL);
    menu->done = menu_done;
    menu->context = choice;
    app_push(app, menu);
    return choice;
}

void monitor_choice_free(struct monitor_choice *choice)
{
    if (!choice)
        return;
    for (size_t i = 0; i < choice->count; i++)
        free(choice->clients[i]);
    free(choice->clients);
    free(choice);
}
