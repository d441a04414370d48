// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A block is what one first access copies in at least: a page, since anything larger faults pages nobody asked for. */
#define BLOCK_BYTES	4096u
#define UNKEPT_BYTES	65536u /* reads from this size on do not stay in memory */
#define FILE_BYTES_MAX	(64ull << 30)
#define READ_BYTES_MAX	(4ull << 30)   /* of a file, which may be read several times */
#define KEPT_BYTES_MAX	(256ull << 20) /* of it in memory; a program of 200 MB needs 25 */
#define SEGMENTS_MAX	512u
#define SECTIONS_MAX	65536u
#define OVERLAP_MAX	(1u << 20) /* bytes of the file that lie in several segments: parts of pages do */
#define RELOCATION_STEP 4096u	   /* relocations looked at per access */

struct image {
	int fd;		     /* own; -1 when the bytes are the caller's */
	const uint8_t *base; /* file position 0; with fd >= 0 only loaded blocks hold data */
	uint8_t *mapping;    /* with fd >= 0: the writable view of base */
	uint64_t size;	     /* of the file, bytes */
	uint64_t *loaded;    /* with fd >= 0: one bit per block */
	uint64_t bytes_read, bytes_kept;
	int read_error; /* the first one */
	Elf64_Ehdr header;
	struct image_segment *segments;
	size_t nr_segments;
	bool interpreter;
	uint64_t dynamic_offset, dynamic_size;
	bool relocations_known;
	uint64_t rela_address, rela_count, rela_sorted; /* sorted: length of the ascending run of relative ones */
};

static bool block_loaded(const struct image *image, uint64_t block)
{
	return image->loaded[block / 64] >> (block % 64) & 1;
}

static int read_failed(struct image *image, int error)
{
	if (!image->read_error)
		image->read_error = error;
	return error;
}

int image_judge(const struct image *image, int error, struct failure *failure)
{
	if (!image || !image->read_error)
		return error;
	return failure_set(failure, image->read_error, "cannot read it: %s", strerror(-image->read_error));
}

/* A file may be nothing but holes, of which there are always more to read. */
static int allow_reading(struct image *image, uint64_t bytes)
{
	return bytes > READ_BYTES_MAX - image->bytes_read ? read_failed(image, -EFBIG) : 0;
}

/* Copies one run of blocks from the file; a short read means that the file shrank. */
static int load_run(struct image *image, uint64_t first, uint64_t last)
{
	uint64_t offset = first * BLOCK_BYTES;
	uint64_t end = (last + 1) * BLOCK_BYTES;

	if (end > image->size)
		end = image->size;
	if (end - offset > KEPT_BYTES_MAX - image->bytes_kept)
		return read_failed(image, -EFBIG);
	if (allow_reading(image, end - offset))
		return -EFBIG;
	image->bytes_kept += end - offset;
	while (offset < end) {
		ssize_t got = pread(image->fd, image->mapping + offset, end - offset, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return read_failed(image, got < 0 ? -errno : -EIO);
		offset += (uint64_t)got;
		image->bytes_read += (uint64_t)got;
	}
	for (uint64_t block = first; block <= last; block++)
		image->loaded[block / 64] |= 1ull << (block % 64);
	return 0;
}

static int load(struct image *image, uint64_t offset, uint64_t length)
{
	uint64_t last = (offset + length - 1) / BLOCK_BYTES;

	for (uint64_t block = offset / BLOCK_BYTES; block <= last; block++) {
		uint64_t end = block;
		int error;

		if (block_loaded(image, block))
			continue;
		while (end < last && !block_loaded(image, end + 1))
			end++;
		error = load_run(image, block, end);
		if (error)
			return error;
		block = end;
	}
	return 0;
}

const void *image_at_offset(struct image *image, uint64_t offset, size_t length)
{
	if (offset > image->size || length > image->size - offset)
		return NULL;
	if (length && image->fd >= 0 && load(image, offset, length))
		return NULL;
	return image->base + offset;
}

/* A header table in the file, or NULL when it does not fit. */
static const void *table_at(struct image *image, uint64_t offset, uint64_t count, uint64_t entry)
{
	if (!count || count > image->size / entry)
		return NULL;
	return image_at_offset(image, offset, count * entry);
}

static int known_machine(uint16_t machine)
{
	return machine == EM_X86_64 || machine == EM_AARCH64;
}

static int check_header(struct image *image, struct failure *failure)
{
	const uint8_t *start = image_at_offset(image, 0, image->size < 4 ? (size_t)image->size : 4);
	const Elf64_Ehdr *header = &image->header;
	const void *bytes;

	if (start && image->size >= 2 && !memcmp(start, "#!", 2))
		return failure_set(failure, -ENOEXEC, "a script, not a program: give the program that it runs");
	if (!start || image->size < 4 || memcmp(start, ELFMAG, SELFMAG))
		return failure_set(failure, -ENOEXEC, "not an ELF file");
	bytes = image_at_offset(image, 0, sizeof(*header));
	if (!bytes)
		return failure_set(failure, -ENOEXEC, "truncated: an ELF file of %llu bytes",
				   (unsigned long long)image->size);
	memcpy(&image->header, bytes, sizeof(image->header));
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
		return failure_set(failure, -ENOEXEC, "not a 64-bit little-endian ELF file");
	if (header->e_type == ET_CORE)
		return failure_set(failure, -ENOEXEC, "a core file: give the program that dumped it");
	if (header->e_type == ET_REL)
		return failure_set(failure, -ENOEXEC, "an object file, not a linked program");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return failure_set(failure, -ENOEXEC, "an ELF file of unknown type %u", header->e_type);
	if (!known_machine(header->e_machine))
		return failure_set(failure, -ENOEXEC, "for a machine that gctap does not know (ELF machine %u)",
				   header->e_machine);
	return 0;
}

static uint64_t cut_to_file(const struct image *image, uint64_t offset, uint64_t size)
{
	if (offset >= image->size)
		return 0;
	return size < image->size - offset ? size : image->size - offset;
}

static void add_segment(struct image *image, const Elf64_Phdr *header)
{
	struct image_segment *segment = &image->segments[image->nr_segments];

	/* A segment whose end wraps around can hold no address that we may trust. */
	if (!header->p_memsz || header->p_vaddr + header->p_memsz < header->p_vaddr)
		return;
	segment->address = header->p_vaddr;
	segment->memory_size = header->p_memsz;
	segment->offset = header->p_offset;
	segment->file_size = cut_to_file(image, header->p_offset, header->p_filesz);
	if (segment->file_size > segment->memory_size)
		segment->file_size = segment->memory_size;
	segment->readable = header->p_flags & PF_R;
	segment->writable = header->p_flags & PF_W;
	segment->executable = header->p_flags & PF_X;
	image->nr_segments++;
}

static int read_program_headers(struct image *image, struct failure *failure)
{
	const Elf64_Ehdr *header = &image->header;
	const Elf64_Phdr *table;
	uint64_t total = 0;

	if (header->e_phentsize != sizeof(Elf64_Phdr) || !header->e_phnum || header->e_phnum > SEGMENTS_MAX)
		return failure_set(failure, -ENOEXEC, "an ELF file without usable program headers");
	table = table_at(image, header->e_phoff, header->e_phnum, sizeof(*table));
	if (!table)
		return failure_set(failure, -ENOEXEC, "truncated: its program headers lie behind its end");
	image->segments = calloc(header->e_phnum, sizeof(*image->segments));
	if (!image->segments)
		return failure_set(failure, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr entry;

		memcpy(&entry, (const uint8_t *)table + i * sizeof(entry), sizeof(entry));
		if (entry.p_type == PT_LOAD) {
			add_segment(image, &entry);
		} else if (entry.p_type == PT_INTERP) {
			image->interpreter = true;
		} else if (entry.p_type == PT_DYNAMIC) {
			image->dynamic_offset = entry.p_offset;
			image->dynamic_size = cut_to_file(image, entry.p_offset, entry.p_filesz);
		}
	}
	if (!image->nr_segments)
		return failure_set(failure, -ENOEXEC, "an ELF file that loads nothing");
	/* Each segment is scanned: hundreds that all are the whole file would make a file of any size endless. */
	for (size_t i = 0; i < image->nr_segments; i++)
		total += image->segments[i].file_size;
	if (total > 2 * image->size + OVERLAP_MAX)
		return failure_set(failure, -ENOEXEC, "an ELF file that loads the same bytes again and again");
	return 0;
}

static int open_common(struct image *image, struct image **out, struct failure *failure)
{
	int error = check_header(image, failure);

	if (!error)
		error = read_program_headers(image, failure);
	error = image_judge(image, error, failure);
	if (error) {
		image_close(image);
		return error;
	}
	*out = image;
	return 0;
}

static int prepare_file(struct image *image, struct failure *failure)
{
	struct stat status;
	uint64_t blocks;

	if (fstat(image->fd, &status))
		return failure_set(failure, -errno, "cannot read it: %s", strerror(errno));
	if (S_ISDIR(status.st_mode))
		return failure_set(failure, -EISDIR, "a directory, not a program");
	if (!S_ISREG(status.st_mode))
		return failure_set(failure, -EINVAL, "not a regular file");
	if (!status.st_size)
		return failure_set(failure, -ENOEXEC, "an empty file");
	if ((uint64_t)status.st_size > FILE_BYTES_MAX)
		return failure_set(failure, -EFBIG, "larger than any program (%llu bytes)",
				   (unsigned long long)status.st_size);
	image->size = (uint64_t)status.st_size;
	blocks = (image->size + BLOCK_BYTES - 1) / BLOCK_BYTES;
	image->loaded = calloc((blocks + 63) / 64, sizeof(*image->loaded));
	image->mapping = mmap(NULL, blocks * BLOCK_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (image->mapping == MAP_FAILED)
		image->mapping = NULL;
	image->base = image->mapping;
	if (!image->loaded || !image->mapping)
		return failure_set(failure, -ENOMEM, "out of memory");
	return 0;
}

int image_open_fd(int fd, struct image **out, struct failure *failure)
{
	struct image *image = calloc(1, sizeof(*image));
	int error;

	if (!image)
		return failure_set(failure, -ENOMEM, "out of memory");
	image->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (image->fd < 0)
		error = failure_set(failure, -errno, "cannot read it: %s", strerror(errno));
	else
		error = prepare_file(image, failure);
	if (error) {
		image_close(image);
		return error;
	}
	return open_common(image, out, failure);
}

int image_open(const char *path, struct image **out, struct failure *failure)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int error;

	if (fd < 0)
		return failure_set(failure, -errno, "cannot open it: %s", strerror(errno));
	error = image_open_fd(fd, out, failure);
	close(fd);
	return error;
}

int image_open_bytes(const void *bytes, size_t size, struct image **out, struct failure *failure)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return failure_set(failure, -ENOMEM, "out of memory");
	image->fd = -1;
	image->base = bytes;
	image->size = size;
	return open_common(image, out, failure);
}

void image_close(struct image *image)
{
	if (!image)
		return;
	if (image->mapping)
		munmap(image->mapping, (image->size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES);
	if (image->fd >= 0)
		close(image->fd);
	free(image->loaded);
	free(image->segments);
	free(image);
}

enum image_machine image_machine(const struct image *image)
{
	return image->header.e_machine == EM_X86_64 ? IMAGE_MACHINE_X86_64 : IMAGE_MACHINE_AARCH64;
}

bool image_is_dyn(const struct image *image)
{
	return image->header.e_type == ET_DYN;
}

uint64_t image_entry(const struct image *image)
{
	return image->header.e_entry;
}

bool image_has_interpreter(const struct image *image)
{
	return image->interpreter;
}

uint64_t image_file_size(const struct image *image)
{
	return image->size;
}

uint64_t image_bytes_read(const struct image *image)
{
	return image->fd >= 0 ? image->bytes_read : image->size;
}

size_t image_segment_count(const struct image *image)
{
	return image->nr_segments;
}

const struct image_segment *image_segment(const struct image *image, size_t index)
{
	return index < image->nr_segments ? &image->segments[index] : NULL;
}

const struct image_segment *image_segment_at(const struct image *image, uint64_t address, uint64_t length)
{
	for (size_t i = 0; i < image->nr_segments; i++) {
		const struct image_segment *segment = &image->segments[i];
		uint64_t into = address - segment->address;

		if (address >= segment->address && into < segment->memory_size && length <= segment->memory_size - into)
			return segment;
	}
	return NULL;
}

const void *image_at(struct image *image, uint64_t address, size_t length)
{
	const struct image_segment *segment = image_segment_at(image, address, length);
	uint64_t into;

	if (!segment)
		return NULL;
	into = address - segment->address;
	if (into > segment->file_size || length > segment->file_size - into)
		return NULL;
	return image_at_offset(image, segment->offset + into, length);
}

/* Scans of whole segments pass through here: what they read is not kept, so that memory stays small. */
static int read_unkept(struct image *image, uint64_t offset, void *buffer, uint64_t length)
{
	uint64_t done = 0;

	if (image->fd < 0 || length < UNKEPT_BYTES) {
		const void *bytes = image_at_offset(image, offset, length);

		if (!bytes)
			return -EFAULT;
		memcpy(buffer, bytes, length);
		return 0;
	}
	if (allow_reading(image, length))
		return -EFAULT;
	while (done < length) {
		ssize_t got = pread(image->fd, (uint8_t *)buffer + done, length - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			read_failed(image, got < 0 ? -errno : -EIO);
			return -EFAULT;
		}
		done += (uint64_t)got;
		image->bytes_read += (uint64_t)got;
	}
	return 0;
}

int image_read(struct image *image, uint64_t address, void *buffer, size_t length)
{
	const struct image_segment *segment = image_segment_at(image, address, length);
	uint64_t into, in_file;

	if (!segment)
		return -EFAULT;
	into = address - segment->address;
	in_file = into < segment->file_size ? segment->file_size - into : 0;
	if (in_file > length)
		in_file = length;
	memset((uint8_t *)buffer + in_file, 0, length - in_file);
	return in_file ? read_unkept(image, segment->offset + into, buffer, in_file) : 0;
}

const char *image_string(struct image *image, uint64_t address, size_t limit)
{
	const struct image_segment *segment = image_segment_at(image, address, 1);
	uint64_t into, left, step = 64;

	if (!segment)
		return NULL;
	into = address - segment->address;
	if (into >= segment->file_size)
		return NULL;
	left = segment->file_size - into;
	if (left > (uint64_t)limit + 1)
		left = (uint64_t)limit + 1;
	/* By steps, so that a short name reads no more than its own page. */
	for (;; step *= 4) {
		uint64_t length = step < left ? step : left;
		const char *text = image_at_offset(image, segment->offset + into, length);

		if (!text)
			return NULL;
		if (memchr(text, 0, length))
			return text;
		if (length == left)
			return NULL;
	}
}

int image_offset_of(const struct image *image, uint64_t address, uint64_t *offset)
{
	const struct image_segment *segment = image_segment_at(image, address, 1);

	if (!segment || address - segment->address >= segment->file_size)
		return -EFAULT;
	*offset = segment->offset + (address - segment->address);
	return 0;
}

static uint32_t relative_type(const struct image *image)
{
	return image_machine(image) == IMAGE_MACHINE_X86_64 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE;
}

static bool rela_at(struct image *image, uint64_t index, Elf64_Rela *rela)
{
	const void *bytes = image_at(image, image->rela_address + index * sizeof(*rela), sizeof(*rela));

	if (!bytes)
		return false;
	memcpy(rela, bytes, sizeof(*rela));
	return true;
}

/* Where the dynamic section says the relocations are. */
static void find_relocations(struct image *image)
{
	uint64_t address = 0, size = 0, relative = 0;
	uint64_t count = image->dynamic_size / sizeof(Elf64_Dyn);
	const uint8_t *table = table_at(image, image->dynamic_offset, count, sizeof(Elf64_Dyn));

	image->relocations_known = true;
	for (uint64_t i = 0; table && i < count; i++) {
		Elf64_Dyn entry;

		memcpy(&entry, table + i * sizeof(entry), sizeof(entry));
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_RELA)
			address = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_RELASZ)
			size = entry.d_un.d_val;
		else if (entry.d_tag == DT_RELACOUNT)
			relative = entry.d_un.d_val;
	}
	if (!address || !image_segment_at(image, address, size))
		return;
	image->rela_address = address;
	image->rela_count = size / sizeof(Elf64_Rela);
	/* DT_RELACOUNT: that many relative ones come first; GNU ld and lld sort them by address. */
	image->rela_sorted = relative < image->rela_count ? relative : image->rela_count;
}

static bool relocation_at(struct image *image, uint64_t address, uint64_t *addend)
{
	uint64_t low = 0, high;
	Elf64_Rela rela;

	if (!image->relocations_known)
		find_relocations(image);
	high = image->rela_sorted;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (!rela_at(image, middle, &rela))
			return false;
		if (rela.r_offset == address) {
			*addend = (uint64_t)rela.r_addend;
			return ELF64_R_TYPE(rela.r_info) == relative_type(image);
		}
		if (rela.r_offset < address)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

int image_pointer(struct image *image, uint64_t address, uint64_t *value)
{
	uint64_t bytes;

	if (image_read(image, address, &bytes, sizeof(bytes)))
		return -EFAULT;
	/* Linkers that leave a zero in place sort their relocations; Go's own linker does not, but writes the addend.
	 */
	if (bytes || !relocation_at(image, address, value))
		*value = bytes;
	return 0;
}

int image_each_relocation_to(struct image *image, uint64_t value, int (*callback)(uint64_t address, void *context),
			     void *context)
{
	if (!image->relocations_known)
		find_relocations(image);
	for (uint64_t i = 0; i < image->rela_count; i += RELOCATION_STEP) {
		uint64_t count = image->rela_count - i < RELOCATION_STEP ? image->rela_count - i : RELOCATION_STEP;
		const uint8_t *table =
			image_at(image, image->rela_address + i * sizeof(Elf64_Rela), count * sizeof(Elf64_Rela));

		if (!table)
			return 0;
		for (uint64_t k = 0; k < count; k++) {
			Elf64_Rela rela;
			int answer;

			memcpy(&rela, table + k * sizeof(rela), sizeof(rela));
			if ((uint64_t)rela.r_addend != value || ELF64_R_TYPE(rela.r_info) != relative_type(image))
				continue;
			answer = callback(rela.r_offset, context);
			if (answer)
				return answer;
		}
	}
	return 0;
}

static const uint8_t *section_headers(struct image *image, uint64_t *count)
{
	const Elf64_Ehdr *header = &image->header;

	*count = header->e_shnum;
	if (!header->e_shoff || header->e_shentsize != sizeof(Elf64_Shdr))
		return NULL;
	if (*count > SECTIONS_MAX)
		return NULL;
	return table_at(image, header->e_shoff, *count, sizeof(Elf64_Shdr));
}

size_t image_section_count(struct image *image)
{
	uint64_t count;

	return section_headers(image, &count) ? (size_t)count : 0;
}

static Elf64_Shdr section_header(const uint8_t *table, uint64_t index)
{
	Elf64_Shdr header;

	memcpy(&header, table + index * sizeof(header), sizeof(header));
	return header;
}

bool image_section(struct image *image, const char *name, struct image_section *section)
{
	size_t length = strlen(name) + 1;
	uint64_t count;
	const uint8_t *table = section_headers(image, &count);
	Elf64_Shdr names;

	if (!table || image->header.e_shstrndx >= count)
		return false;
	names = section_header(table, image->header.e_shstrndx);
	for (uint64_t i = 0; i < count; i++) {
		Elf64_Shdr header = section_header(table, i);
		const void *text;

		if (header.sh_name >= names.sh_size || length > names.sh_size - header.sh_name ||
		    names.sh_offset > image->size)
			continue;
		text = image_at_offset(image, names.sh_offset + header.sh_name, length);
		if (!text || memcmp(text, name, length))
			continue;
		section->address = header.sh_addr;
		section->offset = header.sh_offset;
		section->size = header.sh_size;
		section->type = header.sh_type;
		return true;
	}
	return false;
}
