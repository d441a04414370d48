// SPDX-License-Identifier: BSD-2-Clause
/*
 * facts: looks up in DWARF, by libdw, what a tool with a table of names would need for the gctrace
 * line: where the runtime's variables lie, the offsets of their fields, and the function that
 * prints. One "NAME ADDRESS" or "NAME +OFFSET" a line; what is not found is not printed.
 *
 *	facts FILE
 */
#define _GNU_SOURCE 1
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const variables[] = { "runtime.work", "runtime.memstats", "runtime.gcController",
					 "runtime.runtimeInitTime", "runtime.debug" };

/* Of all versions; a version has most of them. */
static const char *const fields[] = { "tSweepTerm",
				      "tMark",
				      "tMarkTerm",
				      "tEnd",
				      "heap0",
				      "heap1",
				      "heap2",
				      "maxprocs",
				      "userForced",
				      "numgc",
				      "gc_cpu_fraction",
				      "assistTime",
				      "dedicatedMarkTime",
				      "fractionalMarkTime",
				      "idleMarkTime",
				      "heapGoal",
				      "globalsScan",
				      "stackSize",
				      "gctrace",
				      "cpuStats" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(name, names[i]))
			return 1;
	return 0;
}

static Dwarf_Die *type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	if (!dwarf_attr_integrate(die, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, type))
		return NULL;
	while (dwarf_tag(type) == DW_TAG_typedef)
		if (!dwarf_attr_integrate(type, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, type))
			return NULL;
	return type;
}

static void show_fields(const char *variable, Dwarf_Die *type)
{
	Dwarf_Die member;
	Dwarf_Attribute attribute;
	Dwarf_Word offset;

	if (dwarf_tag(type) != DW_TAG_structure_type || dwarf_child(type, &member))
		return;
	do {
		const char *name = dwarf_diename(&member);

		if (dwarf_tag(&member) == DW_TAG_member && is_one_of(name, fields, COUNT(fields)) &&
		    dwarf_attr(&member, DW_AT_data_member_location, &attribute) &&
		    !dwarf_formudata(&attribute, &offset))
			printf("%s.%s +%ju\n", variable, name, (uintmax_t)offset);
	} while (!dwarf_siblingof(&member, &member));
}

/* libdw 0.188 refuses these expressions as such: an address and nothing else, so it is taken from the block. */
static int address_of(Dwarf_Die *die, uint64_t *address)
{
	Dwarf_Attribute attribute;
	Dwarf_Block block;

	if (!dwarf_attr(die, DW_AT_location, &attribute) || dwarf_formblock(&attribute, &block) ||
	    block.length != 1 + sizeof(*address) || block.data[0] != DW_OP_addr)
		return -1;
	memcpy(address, block.data + 1, sizeof(*address));
	return 0;
}

static void show_variable(Dwarf_Die *die)
{
	uint64_t address;
	Dwarf_Die type;

	if (address_of(die, &address))
		return;
	printf("%s 0x%jx\n", dwarf_diename(die), (uintmax_t)address);
	if (type_of(die, &type))
		show_fields(dwarf_diename(die), &type);
}

static void show_unit(Dwarf_Die *unit)
{
	Dwarf_Die die;
	Dwarf_Addr address;

	if (dwarf_child(unit, &die))
		return;
	do {
		const char *name = dwarf_diename(&die);

		if (dwarf_tag(&die) == DW_TAG_variable && is_one_of(name, variables, COUNT(variables)))
			show_variable(&die);
		if (dwarf_tag(&die) == DW_TAG_subprogram && name && !strcmp(name, "runtime.gcMarkTermination") &&
		    !dwarf_lowpc(&die, &address))
			printf("%s 0x%jx\n", name, (uintmax_t)address);
	} while (!dwarf_siblingof(&die, &die));
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	Dwarf *dwarf = fd < 0 ? NULL : dwarf_begin(fd, DWARF_C_READ);
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	int found = 0;

	if (!dwarf) {
		fprintf(stderr, "facts: no DWARF\n");
		return 2;
	}
	/* Units come in any order, and a package can have several: all are asked for their name. */
	while (!dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL)) {
		const char *name = dwarf_diename(&die);

		if (name && !strcmp(name, "runtime")) {
			show_unit(&die);
			found = 1;
		}
	}
	dwarf_end(dwarf);
	close(fd);
	return found ? 0 : 2;
}
