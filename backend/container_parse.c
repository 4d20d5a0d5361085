#include "backend/container_parse.h"

#include "backend/container_parse_impl.h"

#include <string.h>
#include <sys/utsname.h>

char *container_parse_image(const char *text, size_t len)
{
    json_t *root = container_json_load(text, len);
    char *id = container_json_image_id(container_json_text(root, "Id"));

    json_decref(root);
    return id;
}

static void copy_text(char *out, size_t size, const char *text)
{
    const size_t len = text ? strnlen(text, size - 1) : 0;

    if (len)
        memcpy(out, text, len);
    out[len] = 0;
}

static bool is_podman(const json_t *root)
{
    const json_t *components = json_object_get(root, "Components");

    for (size_t i = 0; i < json_array_size(components); i++) {
        const char *name = container_json_text(json_array_get(components, i), "Name");

        if (name && strstr(name, "Podman"))
            return true;
    }
    return false;
}

/* An engine with another kernel than ours is on another machine, be it virtual. */
static bool is_elsewhere(const json_t *root)
{
    const char *kernel = container_json_text(root, "KernelVersion");
    const char *platform = container_json_text(json_object_get(root, "Platform"), "Name");
    const char *system = container_json_text(root, "OperatingSystem");
    struct utsname own;

    if ((platform && strstr(platform, "Desktop")) || (system && strstr(system, "Docker Desktop")))
        return true;
    return kernel && uname(&own) == 0 && strcmp(own.release, kernel) != 0;
}

bool container_parse_version(const char *text, size_t len, struct engine_info *info)
{
    json_t *root = container_json_load(text, len);
    const char *version = container_json_text(root, "Version");
    const bool is_version = version && container_json_text(root, "ApiVersion");

    if (is_version) {
        copy_text(info->name, sizeof(info->name), is_podman(root) ? "Podman" : "Docker");
        copy_text(info->version, sizeof(info->version), version);
        info->elsewhere = info->elsewhere || is_elsewhere(root);
    }
    json_decref(root);
    return is_version;
}

static bool is_rootless(const json_t *root)
{
    const json_t *options = json_object_get(root, "SecurityOptions");

    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *option = json_string_value(json_array_get(options, i));

        if (option && strncmp(option, "name=rootless", strlen("name=rootless")) == 0)
            return true;
    }
    return container_json_true(root, "Rootless");
}

bool container_parse_info(const char *text, size_t len, struct engine_info *info)
{
    json_t *root = container_json_load(text, len);
    const bool is_info = container_json_text(root, "ServerVersion") ||
                         json_is_array(json_object_get(root, "SecurityOptions"));

    if (is_info) {
        info->rootless = is_rootless(root);
        info->elsewhere = info->elsewhere || is_elsewhere(root);
    }
    json_decref(root);
    return is_info;
}

char *container_parse_error(const char *text, size_t len)
{
    json_t *root = container_json_load(text, len);
    char *message = container_json_copy(root, "message");

    json_decref(root);
    return message;
}
