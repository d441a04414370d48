// SPDX-License-Identifier: BSD-2-Clause
#define _GNU_SOURCE 1 /* environ */
#include "target/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_DEFAULT "/bin:/usr/bin" /* what execvp takes when PATH is not set */

static int executable_check(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return -EACCES;
	return 0;
}

static int path_join(const char *directory, int length, const char *name, char *path, size_t size)
{
	/* An empty element of PATH means the current directory. */
	int written =
		length ? snprintf(path, size, "%.*s/%s", length, directory, name) : snprintf(path, size, "./%s", name);

	return (size_t)written < size ? 0 : -ENAMETOOLONG;
}

int command_find(const char *name, char *path, size_t size)
{
	const char *directory = getenv("PATH");
	struct stat status;
	int error = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/')) {
		if ((size_t)snprintf(path, size, "%s", name) >= size)
			return -ENAMETOOLONG;
		return executable_check(path);
	}
	if (!directory)
		directory = PATH_DEFAULT;
	for (;;) {
		int length = strcspn(directory, ":");
		int found = path_join(directory, length, name, path, size);

		if (!found)
			found = executable_check(path);
		if (!found)
			return 0;
		/* What is there and may not be run does not hide a later one, but is worth saying. */
		if (found == -EACCES && !stat(path, &status))
			error = found;
		if (!directory[length])
			return error;
		directory += length + 1;
	}
}

static bool same_name(const char *a, const char *b)
{
	size_t length = strcspn(a, "=");

	return length == strcspn(b, "=") && !strncmp(a, b, length);
}

static bool overridden(const char *variable, const char *const *settings)
{
	for (; settings && *settings; settings++)
		if (same_name(variable, *settings))
			return true;
	return false;
}

static size_t count(const char *const *strings)
{
	size_t nr = 0;

	while (strings && strings[nr])
		nr++;
	return nr;
}

char **command_environment(const char *const *settings)
{
	const char *const *inherited = (const char *const *)environ;
	const char **merged = calloc(count(inherited) + count(settings) + 1, sizeof(*merged));
	size_t nr = 0;

	if (!merged)
		return NULL;
	for (size_t i = 0; i < count(inherited); i++)
		if (!overridden(inherited[i], settings))
			merged[nr++] = inherited[i];
	for (size_t i = 0; i < count(settings); i++)
		merged[nr++] = settings[i];
	return (char **)merged;
}
