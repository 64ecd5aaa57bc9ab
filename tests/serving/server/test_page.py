"""The page in a real browser, used as a person uses it: a file is dropped, words are typed, a button is clicked."""

import base64
import json
import time

import chromium
import numpy as np
import pytest
from servers import started
from wav_files import noise, wav

keys = pytest.importorskip("selenium.webdriver.common.keys", reason="needs selenium")
ui = pytest.importorskip("selenium.webdriver.support.ui", reason="needs selenium")
pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("gradio", reason="needs the extra serve")

pytestmark = pytest.mark.full

_SECONDS = 60
_OPTIONS = (
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",  # and may be used
    "--window-size=1200,1150",
)


@pytest.fixture
def browser(tmp_path):
    with chromium.started(tmp_path / "profile", *_OPTIONS) as browser:
        yield browser


class Page:
    """What a person sees and does."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.get(address)
        self.button = self.until(lambda _: self.first("#ask"))

    def until(self, condition):
        return ui.WebDriverWait(self.browser, _SECONDS).until(condition)

    def first(self, selector):
        found = self.browser.find_elements("css selector", selector)
        return found[0] if found else None

    def drop(self, path):
        """Puts a file in the place of what is there."""
        if clear := self.first('#speech button[aria-label="Clear"]'):
            clear.click()
        self.until(lambda _: self.first("#speech input[type=file]")).send_keys(str(path))
        self.until(lambda _: self.first("#speech audio, #speech #waveform, #speech .waveform-container"))

    def type(self, words):
        """Puts words in the place of those that are there."""
        box = self.first("#words textarea")
        box.send_keys(keys.Keys.CONTROL, "a", keys.Keys.NULL, keys.Keys.BACKSPACE, words)

    def ask(self):
        """Clicks the button; the text of the next answer or error."""
        script = "document.querySelectorAll(arguments[0]).forEach(each => each.classList.add('old'))"
        self.browser.execute_script(script, "#answer section, #answer .tfcr-error")
        self.button.click()
        new = self.until(lambda _: self.first("#answer section:not(.old), #answer .tfcr-error:not(.old)"))
        return new.text

    def requested(self):
        """The addresses that the page asked for anything."""
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return {each["request"]["url"] for each in sent if not each["documentURL"].startswith("chrome")}


def test_a_person_drops_speech_types_words_clicks_and_reads_the_answer(browser, exported, tmp_path):
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wav(noise(1.5)))
    (tmp_path / "silence.wav").write_bytes(wav(np.zeros(16_000, np.int16)))
    (tmp_path / "letter.wav").write_text("Dear Sir or Madam,")
    with started(exported) as server:
        page = Page(browser, server.address)
        assert browser.title == "Emotion in speech and words"
        assert "sounds to others, not what the person feels" in page.first("#limits").text
        assert "there is no speech yet" in page.ask()

        page.drop(speech)
        page.type("I know xyzzy you")
        answer = page.ask()
        body = {
            "audio_bytes": {"b64": base64.b64encode(speech.read_bytes()).decode()},
            "transcript": "I know xyzzy you",
        }
        _, told = server.predict({"instances": [body], "signature_name": "explain"})
        (row,) = told["predictions"]
        percent = [f"{100 * value:.0f} %" for value in row["probabilities"]]
        assert f"It sounds like {row['emotion']}" in answer
        assert ("Speech and words conflict" in answer) == row["conflict"]
        for number, emotion in enumerate(("neutral", "happiness", "sadness", "anger")):
            cells = browser.find_elements("css selector", "#answer section:not(.old) tbody tr")[number].text.split("\n")
            assert " ".join(cells).startswith(emotion) and " ".join(cells).endswith(percent[number])
        assert "1 word is not in the model's vocabulary" in answer
        picture = page.first("#answer section:not(.old) img")
        assert picture.get_attribute("alt").startswith("Spectrogram of 1.5 seconds")
        assert browser.execute_script("return arguments[0].naturalWidth", picture) == 1008

        page.type("")
        assert "No words were typed: speech decides alone." in page.ask()
        page.drop(tmp_path / "silence.wav")
        assert "The recording is silent" in page.ask()
        page.drop(tmp_path / "letter.wav")
        error = page.ask()
        assert (
            error == "letter.wav is not a recording (Format not recognised); expected a WAV, FLAC, OGG or MP3 recording"
        )

        next(
            b for b in browser.find_elements("css selector", "button") if b.text == "sad voice, cheerful words"
        ).click()
        page.until(lambda _: page.first("#words textarea").get_attribute("value") == "What a wonderful party!")
        assert "It sounds like" in page.ask()

        page.first('#speech button[aria-label="Clear"]').click()
        page.until(lambda _: page.first('#speech button[aria-label="Record audio"]')).click()
        page.until(lambda _: page.first("#speech .record-button")).click()
        time.sleep(2)  # of beeps
        page.until(lambda _: page.first("#speech .stop-button")).click()
        page.until(lambda _: page.first("#speech .timestamps, #speech #waveform audio, #speech .waveform-container"))
        time.sleep(1)
        assert "It sounds like" in page.ask()

        own = (f"{server.address}/", f"blob:{server.address}/", "data:")
        assert {url for url in page.requested() if not url.startswith(own)} == set()
        begin = time.monotonic()  # an open page keeps nobody from ending
        assert server.end() == (0, "")
        assert time.monotonic() - begin < 25  # a stream that were waited for would take 30
