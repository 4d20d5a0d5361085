#include "backend/config_internal.h"

#include "backend/base/mem.h"
#include "backend/base/nearest.h"
#include "backend/base/strbuf.h"
#include "backend/textfile.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void read_group(struct reader *reader, const config_setting_t *setting,
                       const struct setting_group *group, void *object);

const char *reader_file(const struct reader *reader, const config_setting_t *setting)
{
    const char *file = config_setting_source_file(setting);

    return file ? file : reader->path;
}

static void add_fault(struct reader *reader, const config_setting_t *setting, bool warning,
                      const char *format, va_list args)
{
    char *message = mem_vprintf(format, args);

    config_fault_add(reader->faults, reader_file(reader, setting),
                     (int)config_setting_source_line(setting), warning, "%s", message);
    free(message);
}

void reader_fault(struct reader *reader, const config_setting_t *setting, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_fault(reader, setting, false, format, args);
    va_end(args);
}

void reader_warning(struct reader *reader, const config_setting_t *setting, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_fault(reader, setting, true, format, args);
    va_end(args);
}

static const char *type_text(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP: return "a group { }";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64: return "a whole number";
    case CONFIG_TYPE_FLOAT: return "a number with a point";
    case CONFIG_TYPE_STRING: return "a string";
    case CONFIG_TYPE_BOOL: return "true or false";
    case CONFIG_TYPE_ARRAY: return "an array [ ]";
    case CONFIG_TYPE_LIST: return "a list ( )";
    default: return "nothing";
    }
}

static const char *wanted_text(enum setting_type type)
{
    static const char *const texts[] = {
        [SETTING_NUMBER] = "a number",           [SETTING_INT] = "a whole number",
        [SETTING_BOOL] = "true or false",        [SETTING_TEXT] = "a string",
        [SETTING_OPTIONAL] = "a string",         [SETTING_NAME] = "a string",
        [SETTING_ENVIRONMENT] = "a string",      [SETTING_WORDS] = "an array of strings",
        [SETTING_KEYS] = "a group { }",          [SETTING_GROUP] = "a group { }",
        [SETTING_LIST] = "a list ( ) of groups",
    };

    return texts[type];
}

static void wrong_type(struct reader *reader, const config_setting_t *setting,
                       const struct setting *row)
{
    reader_fault(reader, setting, "%s must be %s, not %s: write %s = %s;", row->name,
                 wanted_text(row->type), type_text(setting), row->name, row->example);
}

/* ": did you mean X?", or all the names. The caller frees it. */
static char *known_names(const char *word, const char *const *names, size_t count)
{
    const char *near = nearest_name(word, names, count);
    struct strbuf text = {0};
    size_t i;

    if (near)
        return mem_printf("did you mean \"%s\"?", near);
    strbuf_adds(&text, "it can be ");
    for (i = 0; i < count; i++)
        strbuf_addf(&text, "%s\"%s\"", i == 0 ? "" : i + 1 == count ? " or " : ", ", names[i]);
    return strbuf_take(&text);
}

/* The field is left alone when the value is not in the row's range. */
static bool in_range(struct reader *reader, const config_setting_t *setting,
                     const struct setting *row, double value)
{
    if (value >= row->min && value <= row->max)
        return true;
    if (row->max >= INT_MAX)
        reader_fault(reader, setting, "%s is %.15g: it must be %g or more", row->name, value,
                     row->min);
    else
        reader_fault(reader, setting, "%s is %.15g: it must be from %g to %g", row->name, value,
                     row->min, row->max);
    return false;
}

static bool read_number(struct reader *reader, const config_setting_t *setting,
                        const struct setting *row, double *field)
{
    double value;

    if (!config_setting_is_number(setting)) {
        wrong_type(reader, setting, row);
        return false;
    }
    value = config_setting_type(setting) == CONFIG_TYPE_FLOAT
                ? config_setting_get_float(setting)
                : (double)config_setting_get_int64(setting);
    if (!in_range(reader, setting, row, value))
        return false;
    *field = value;
    return true;
}

static bool read_int(struct reader *reader, const config_setting_t *setting,
                     const struct setting *row, int *field)
{
    double value;

    if (config_setting_type(setting) == CONFIG_TYPE_FLOAT) {
        wrong_type(reader, setting, row);
        return false;
    }
    if (!read_number(reader, setting, row, &value))
        return false;
    *field = (int)value;
    return true;
}

static bool read_bool(struct reader *reader, const config_setting_t *setting,
                      const struct setting *row, bool *field)
{
    if (config_setting_type(setting) != CONFIG_TYPE_BOOL) {
        wrong_type(reader, setting, row);
        return false;
    }
    *field = config_setting_get_bool(setting);
    return true;
}

static const char *string_of(struct reader *reader, const config_setting_t *setting,
                             const struct setting *row)
{
    if (config_setting_type(setting) == CONFIG_TYPE_STRING)
        return config_setting_get_string(setting);
    wrong_type(reader, setting, row);
    return NULL;
}

static bool read_string(struct reader *reader, const config_setting_t *setting,
                        const struct setting *row, char **field)
{
    const char *value = string_of(reader, setting, row);

    if (value && !*value && row->type == SETTING_NAME) {
        reader_fault(reader, setting, "%s is empty: write %s = %s; or leave it out", row->name,
                     row->name, row->example);
        return false;
    }
    if (!value)
        return false;
    free(*field);
    *field = !*value && row->type == SETTING_OPTIONAL ? NULL : mem_strdup(value);
    return true;
}

static bool read_environment(struct reader *reader, const config_setting_t *setting,
                             const struct setting *row, enum environment *field)
{
    const char *names[ENV_DEV];
    const char *value = string_of(reader, setting, row);
    enum environment e;
    char *mend;

    if (!value)
        return false;
    if (environment_parse(value, field))
        return true;
    for (e = ENV_PRODUCTION; e <= ENV_DEV; e++)
        names[e - ENV_PRODUCTION] = environment_name(e);
    mend = known_names(value, names, ENV_DEV);
    reader_fault(reader, setting, "unknown environment \"%s\": %s", value, mend);
    free(mend);
    return false;
}

static bool is_list(const config_setting_t *setting)
{
    return config_setting_is_list(setting) || config_setting_is_array(setting);
}

static bool read_word(struct reader *reader, const config_setting_t *setting,
                      const struct setting *row, struct strings *field)
{
    const char *value = string_of(reader, setting, row);
    char *mend;
    size_t i;

    if (!value)
        return false;
    for (i = 0; i < row->word_count; i++) {
        if (!strcmp(value, row->words[i])) {
            field->items = mem_array(field->items, field->count + 1, sizeof(*field->items));
            field->items[field->count++] = mem_strdup(value);
            return true;
        }
    }
    mend = known_names(value, row->words, row->word_count);
    reader_fault(reader, setting, "%s: unknown act \"%s\": %s", row->name, value, mend);
    free(mend);
    return false;
}

static bool read_words(struct reader *reader, const config_setting_t *setting,
                       const struct setting *row, struct strings *field)
{
    bool good = true;
    int i;

    if (!is_list(setting)) {
        wrong_type(reader, setting, row);
        return false;
    }
    for (i = 0; i < config_setting_length(setting); i++)
        good &= read_word(reader, config_setting_get_elem(setting, (unsigned)i), row, field);
    return good;
}

static bool read_key(struct reader *reader, const config_setting_t *setting)
{
    struct config *config = reader->config;
    const char *name = config_setting_name(setting);
    const char *key = config_setting_type(setting) == CONFIG_TYPE_STRING
                          ? config_setting_get_string(setting)
                          : NULL;

    if (!key || !*key) {
        reader_fault(reader, setting, "key %s must be a string, not %s: write %s = \"x\";", name,
                     key ? "an empty one" : type_text(setting), name);
        return false;
    }
    config->keys = mem_array(config->keys, config->key_count + 1, sizeof(*config->keys));
    config->keys[config->key_count++] = (struct key_config){
        mem_strdup(name), mem_strdup(key), (int)config_setting_source_line(setting)};
    return true;
}

static bool read_keys(struct reader *reader, const config_setting_t *setting,
                      const struct setting *row)
{
    bool good = true;
    int i;

    if (!config_setting_is_group(setting)) {
        wrong_type(reader, setting, row);
        return false;
    }
    for (i = 0; i < config_setting_length(setting); i++)
        good &= read_key(reader, config_setting_get_elem(setting, (unsigned)i));
    return good;
}

static bool read_list(struct reader *reader, const config_setting_t *setting,
                      const struct setting *row, void *object)
{
    int i;

    if (!config_setting_is_list(setting) &&
        !(config_setting_is_array(setting) && config_setting_length(setting) == 0)) {
        wrong_type(reader, setting, row);
        return false;
    }
    for (i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *entry = config_setting_get_elem(setting, (unsigned)i);

        if (config_setting_is_group(entry))
            read_group(reader, entry, row->group, row->add(object));
        else
            wrong_type(reader, entry, row);
    }
    return true;
}

static bool read_subgroup(struct reader *reader, const config_setting_t *setting,
                          const struct setting *row, void *object)
{
    if (!config_setting_is_group(setting)) {
        wrong_type(reader, setting, row);
        return false;
    }
    read_group(reader, setting, row->group, object);
    return true;
}

static bool read_value(struct reader *reader, const config_setting_t *setting,
                       const struct setting *row, void *object)
{
    void *field = (char *)object + row->offset;

    switch (row->type) {
    case SETTING_NUMBER: return read_number(reader, setting, row, field);
    case SETTING_INT: return read_int(reader, setting, row, field);
    case SETTING_BOOL: return read_bool(reader, setting, row, field);
    case SETTING_TEXT:
    case SETTING_OPTIONAL:
    case SETTING_NAME: return read_string(reader, setting, row, field);
    case SETTING_ENVIRONMENT: return read_environment(reader, setting, row, field);
    case SETTING_WORDS: return read_words(reader, setting, row, field);
    case SETTING_KEYS: return read_keys(reader, setting, row);
    case SETTING_GROUP: return read_subgroup(reader, setting, row, field);
    case SETTING_LIST: return read_list(reader, setting, row, object);
    }
    return false;
}

static const struct setting *find_row(const struct setting_group *group, const char *name)
{
    size_t i;

    for (i = 0; i < group->count; i++) {
        if (!strcmp(group->settings[i].name, name))
            return &group->settings[i];
    }
    return NULL;
}

static void unknown_setting(struct reader *reader, const config_setting_t *setting,
                            const struct setting_group *group)
{
    const config_setting_t *parent = config_setting_parent(setting);
    const char *name = config_setting_name(setting);
    const char *place = config_setting_name(parent) ? config_setting_name(parent) : group->title;
    const char **names = mem_array(NULL, group->count, sizeof(*names));
    char *mend;
    size_t i;

    for (i = 0; i < group->count; i++)
        names[i] = group->settings[i].name;
    mend = known_names(name, names, group->count);
    reader_fault(reader, setting, "unknown setting \"%s\"%s%s: %s", name, place ? " in " : "",
                 place ? place : "", mend);
    free(mend);
    free(names);
}

static void check_required(struct reader *reader, const config_setting_t *setting,
                           const struct setting_group *group)
{
    size_t i;

    for (i = 0; i < group->count; i++) {
        const struct setting *row = &group->settings[i];

        if (row->required && !config_setting_get_member(setting, row->name))
            reader_fault(reader, setting, "%s has no %s: add %s", group->title, row->name,
                         row->required);
    }
}

static void read_group(struct reader *reader, const config_setting_t *setting,
                       const struct setting_group *group, void *object)
{
    int i;

    for (i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);
        const struct setting *row = find_row(group, config_setting_name(member));

        if (!row)
            unknown_setting(reader, member, group);
        else if (read_value(reader, member, row, object) && row->check)
            row->check(reader, member, object);
    }
    check_required(reader, setting, group);
    if (group->check)
        group->check(reader, setting, object);
}

/* By line within each file, and the main file first; those of one line stay in their order. */
static bool goes_before(const struct reader *reader, const struct config_fault *a,
                        const struct config_fault *b)
{
    bool a_main = !strcmp(a->file, reader->path), b_main = !strcmp(b->file, reader->path);
    int files = strcmp(a->file, b->file);

    if (a_main != b_main)
        return a_main;
    return files ? files < 0 : a->line < b->line;
}

static void sort_faults(const struct reader *reader, size_t from)
{
    struct config_fault *items = reader->faults->items;
    size_t i, k;

    for (i = from + 1; i < reader->faults->count; i++) {
        struct config_fault fault = items[i];

        for (k = i; k > from && goes_before(reader, &fault, &items[k - 1]); k--)
            items[k] = items[k - 1];
        items[k] = fault;
    }
}

static void syntax_fault(const config_t *parsed, const char *path, struct config_faults *faults)
{
    const char *file = config_error_file(parsed) ? config_error_file(parsed) : path;
    const char *text = config_error_text(parsed);
    const char *mend = "look for a missing \";\", quote or bracket here or above";

    if (text && strstr(text, "include"))
        mend = "write its whole path, and check that it can be read";
    else if (text && strstr(text, "duplicate"))
        mend = "it is there twice in this group; remove one";
    else if (text && strstr(text, "type"))
        mend = "all values in [ ] must be of one kind; use ( ) for others";
    config_fault_add(faults, file, config_error_line(parsed), false, "%s: %s",
                     text ? text : "syntax error", mend);
}

static int line_of(const char *text, const char *at)
{
    int line = 1;

    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* libconfig ends the process when an included path is a directory, so those are found before. */
static bool includes_folder(const char *text, const char *path, struct config_faults *faults)
{
    static const char word[] = "@include";
    const char *at = text;
    bool found = false;

    while ((at = strstr(at, word))) {
        const char *line = at, *open = skip_blanks(at + strlen(word));
        struct stat st;
        char *file;

        while (line > text && (line[-1] == ' ' || line[-1] == '\t'))
            line--;
        at = open;
        if ((line > text && line[-1] != '\n') || *open != '"')
            continue;
        file = mem_strndup(open + 1, strcspn(open + 1, "\"\n"));
        if (stat(file, &st) == 0 && S_ISDIR(st.st_mode)) {
            config_fault_add(faults, path, line_of(text, at), false,
                             "cannot include %s: it is a directory: name a file in it", file);
            found = true;
        }
        free(file);
    }
    return found;
}

static void read_parsed(struct reader *reader, const config_t *parsed)
{
    size_t i, from = reader->faults->count;

    read_group(reader, config_root_setting(parsed), &config_settings, reader->config);
    sort_faults(reader, from);
    config_name_instances(reader->config);
    for (i = 0; i < reader->reported.count; i++)
        free(reader->reported.items[i]);
    free(reader->reported.items);
}

struct config *config_parse(const char *text, size_t len, const char *path, bool env_files,
                            struct config_faults *faults)
{
    const char *nul = memchr(text, '\0', len);
    struct reader reader = {.path = path, .faults = faults, .env_files = env_files};
    config_t parsed;

    if (nul) {
        config_fault_add(faults, path, line_of(text, nul), false,
                         "a NUL byte: write the file as plain text (UTF-8)");
        return NULL;
    }
    if (includes_folder(text, path, faults))
        return NULL;
    config_init(&parsed);
    if (config_read_string(&parsed, text)) {
        reader.config = config_new();
        reader.config->path = mem_strdup(path);
        read_parsed(&reader, &parsed);
    } else {
        syntax_fault(&parsed, path, faults);
    }
    config_destroy(&parsed);
    return reader.config;
}

static struct config *load(const char *path, bool env_files, struct config_faults *faults)
{
    struct config *config;
    char *error = NULL;
    size_t len = 0;
    char *text = textfile_read(path, TEXTFILE_OR_PIPE, &len, &error);

    if (!text) {
        config_fault_add(faults, path, 0, false, "cannot read it: %s: check the path and its mode",
                         error);
        free(error);
        return NULL;
    }
    config = config_parse(text, len, path, env_files, faults);
    mem_free_secret(text, len);
    return config;
}

struct config *config_load(const char *path, struct config_faults *faults)
{
    return load(path, false, faults);
}

struct config *config_check(const char *path, struct config_faults *faults)
{
    return load(path, true, faults);
}
