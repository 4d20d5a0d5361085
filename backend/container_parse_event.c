#include "backend/container_parse_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct action {
    const char *name;
    enum container_event_kind kind;
};

/* What is not among them says nothing of a container's state: exec_create, attach, top, kill (its
 * end follows), … */
static const struct action actions[] = {
    {"create", EVENT_CHANGED},  {"stop", EVENT_CHANGED},
    {"restart", EVENT_CHANGED}, {"pause", EVENT_CHANGED},
    {"unpause", EVENT_CHANGED}, {"rename", EVENT_CHANGED},
    {"update", EVENT_CHANGED},  {"health_status", EVENT_CHANGED},
    {"start", EVENT_STARTED},   {"die", EVENT_DIED},
    {"died", EVENT_DIED},       {"oom", EVENT_OOM},
    {"destroy", EVENT_REMOVED}, {"remove", EVENT_REMOVED},
};

static const struct action image_actions[] = {
    {"tag", EVENT_IMAGE},    {"untag", EVENT_IMAGE}, {"pull", EVENT_IMAGE},
    {"import", EVENT_IMAGE}, {"load", EVENT_IMAGE},  {"delete", EVENT_IMAGE},
    {"remove", EVENT_IMAGE}, {"build", EVENT_IMAGE}, {"loadfromarchive", EVENT_IMAGE},
};

static const struct action network_actions[] = {
    {"connect", EVENT_CHANGED},
    {"disconnect", EVENT_CHANGED},
};

static const struct {
    const char *type;
    const struct action *actions;
    size_t count;
} types[] = {
    {"container", actions, sizeof(actions) / sizeof(*actions)},
    {"image", image_actions, sizeof(image_actions) / sizeof(*image_actions)},
    {"network", network_actions, sizeof(network_actions) / sizeof(*network_actions)},
};

/* "health_status: healthy" is one of health_status. */
static enum container_event_kind find_kind(const char *type, const char *action)
{
    const size_t len = strcspn(action, ":");

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (strcmp(type, types[i].type) != 0)
            continue;
        for (size_t j = 0; j < types[i].count; j++)
            if (strlen(types[i].actions[j].name) == len &&
                memcmp(types[i].actions[j].name, action, len) == 0)
                return types[i].actions[j].kind;
    }
    return EVENT_OTHER;
}

static int exit_code(const json_t *attributes)
{
    const char *code = container_json_text(attributes, "exitCode");

    if (!code)
        code = container_json_text(attributes, "containerExitCode");
    return code ? (int)strtol(code, NULL, 10) : 0;
}

static double event_time(const json_t *root)
{
    const double nano = json_number_value(json_object_get(root, "timeNano"));
    const double seconds = json_number_value(json_object_get(root, "time"));

    if (nano > 0)
        return nano / 1e9;
    return seconds > 0 ? seconds : NAN;
}

/* Whose event it is: a network's names the container that joins or leaves it. */
static const char *event_id(const json_t *root, const char *type)
{
    const json_t *actor = json_object_get(root, "Actor");
    const char *id = container_json_text(actor, "ID");

    if (strcmp(type, "network") == 0)
        id = container_json_text(json_object_get(actor, "Attributes"), "container");
    else if (strcmp(type, "container") != 0)
        return NULL;
    else if (!id)
        id = container_json_text(root, "id");
    return container_json_is_id(id) ? id : NULL;
}

bool container_parse_event(const char *text, size_t len, struct container_event *event)
{
    json_t *root = container_json_load(text, len);
    const char *type = container_json_text(root, "Type");
    const char *action = container_json_text(root, "Action");
    const char *id;

    *event = (struct container_event){.time = NAN};
    if (!action)
        action = container_json_text(root, "status");
    if (!action) {
        json_decref(root);
        return false;
    }
    type = type ? type : "container";
    id = event_id(root, type);
    event->kind = find_kind(type, action);
    if (id)
        memcpy(event->id, id, strlen(id));
    else if (event->kind != EVENT_IMAGE)
        event->kind = EVENT_OTHER;
    if (event->kind == EVENT_DIED)
        event->exit_code = exit_code(json_object_get(json_object_get(root, "Actor"), "Attributes"));
    event->time = event_time(root);
    json_decref(root);
    return true;
}
