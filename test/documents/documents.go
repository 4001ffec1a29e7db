// SPDX-License-Identifier: Apache-2.0

// Package documents reads what documents print for their readers to copy, so that
// tests run, render and apply exactly that.
package documents

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// Blocks are the fenced blocks of a language, in order.
func Blocks(path, language string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^( *)```"+language+"\n(.*?)^ *```$").FindAllStringSubmatch(string(text), -1) {
		out = append(out, outdent(m[1], m[2]))
	}
	return out, nil
}

// outdent takes away what a list indents.
func outdent(indent, block string) string {
	return strings.TrimPrefix(strings.ReplaceAll("\n"+block, "\n"+indent, "\n"), "\n")
}

// Commands are the commands of the shell blocks, in order and one by one. A
// command may take several lines: it ends where bash takes it for complete.
func Commands(path string) ([]string, error) {
	blocks, err := Blocks(path, "sh")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, block := range blocks {
		command := ""
		for line := range strings.Lines(block) {
			command += line
			// Of an open here-document bash only warns.
			if problems, err := exec.Command("bash", "-n", "-c", command).CombinedOutput(); err == nil && len(problems) == 0 && !strings.HasSuffix(line, "\\\n") {
				out = append(out, strings.TrimSpace(command))
				command = ""
			}
		}
	}
	return out, nil
}

// Mentioned are the commands of the product and of its cluster that stand in a
// document's sentences, in order.
func Mentioned(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range regexp.MustCompile("`((?:kubectl|helm|broker|oauth-broker)\\s[^`]+)`").FindAllStringSubmatch(string(text), -1) {
		out = append(out, strings.Join(strings.Fields(m[1]), " "))
	}
	return out, nil
}
